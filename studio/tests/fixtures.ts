import AxeBuilder from '@axe-core/playwright';
import { test as base, expect, type Browser, type Page } from '@playwright/test';
import { Gateway } from './gateway';

interface PerTest {
  /** Opens a page as somebody with a token of their own. */
  as: (role: 'viewer' | 'operator' | 'admin', subject: string) => Promise<Page>;
}

export const test = base.extend<PerTest, { gateway: Gateway }>({
  gateway: [
    // eslint-disable-next-line no-empty-pattern -- how Playwright wants it
    async ({}, use) => {
      const gateway = await Gateway.start();
      await use(gateway);
      await gateway.stop();
    },
    { scope: 'worker' },
  ],
  baseURL: async ({ gateway }, use) => use(gateway.url),
  // What the page complains of is a failure, also where nobody looks.
  page: async ({ page }, use) => {
    const complaints = watch(page);
    await use(page);
    expect(complaints).toEqual([]);
  },
  as: async ({ browser, gateway }, use) => {
    const pages: Page[] = [];
    await use(async (role, subject) => {
      const page = await open(browser, gateway, gateway.tokenFor(role, subject));
      pages.push(page);
      return page;
    });
    for (const page of pages) await page.context().close();
  },
});

async function open(browser: Browser, gateway: Gateway, token: string): Promise<Page> {
  const context = await browser.newContext({ baseURL: gateway.url, viewport: { width: 1360, height: 860 } });
  await context.addInitScript((value) => sessionStorage.setItem('studio.token', value), token);
  return context.newPage();
}

export function watch(page: Page): string[] {
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // A request that fails is shown by the page itself; a policy that is broken is not.
    if (message.type() === 'error' && !message.text().includes('Failed to load resource')) {
      complaints.push(message.text());
    }
  });
  return complaints;
}

/** No violation of WCAG A and AA that a machine can find. */
export async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])
    .analyze();
  const found = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(' | ')}`,
  );
  expect(found).toEqual([]);
}

export { expect };
