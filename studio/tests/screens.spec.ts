import { expect, expectAccessible, test, watch } from './fixtures';

test.describe.configure({ timeout: 120_000 });

const TABS = [
  'overview',
  'configuration',
  'versions',
  'records',
  'logs',
  'events',
  'dead-letters',
  'secrets',
  'metadata',
];

for (const colorScheme of ['light', 'dark'] as const) {
  test(`every screen can be used by everybody, in ${colorScheme}`, async ({ browser, gateway }) => {
    const id = await gateway.webhook(`screens-${colorScheme}`);
    const draft = await gateway.webhook(`drafted-${colorScheme}`, false);
    await gateway.post(id, { id: 'A-1', amount: 12 });
    const context = await browser.newContext({ baseURL: gateway.url, colorScheme, reducedMotion: 'reduce' });
    const page = await context.newPage();
    const complaints = watch(page);
    const screens = [
      '/',
      '/new',
      '/new?type=webhook',
      '/new?type=http_poller',
      `/new?id=${draft}`,
      `/new?id=${id}`,
      ...TABS.map((tab) => `/catalog/${id}/${tab}`),
      '/connectors',
      '/audit',
      '/registry',
      '/developers',
      '/account',
      '/nothing-here',
    ];
    for (const path of screens) {
      await test.step(path, async () => {
        await page.goto(path);
        await expect(page.getByRole('heading').first()).toBeVisible();
        await expect(page.getByLabel('Loading')).toHaveCount(0);
        await expectAccessible(page);
      });
    }
    expect(complaints).toEqual([]);
    await context.close();
  });
}

test('a phone shows every screen without scrolling sideways', async ({ browser, gateway }) => {
  const id = await gateway.webhook('pocket');
  const context = await browser.newContext({ baseURL: gateway.url, viewport: { width: 390, height: 844 } });
  const page = await context.newPage();
  for (const path of [
    '/',
    '/new',
    '/new?type=http_poller',
    ...TABS.map((tab) => `/catalog/${id}/${tab}`),
    '/audit',
    '/developers',
  ]) {
    await page.goto(path);
    await expect(page.getByRole('heading').first()).toBeVisible();
    await expect(page.getByLabel('Loading')).toHaveCount(0);
    const sideways = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(sideways, path).toBeLessThanOrEqual(0);
  }
  await page.getByRole('button', { name: 'Menu' }).click();
  await page.getByRole('link', { name: 'Connectors' }).click();
  await expect(page.getByRole('heading', { name: 'Connectors' })).toBeVisible();
  await context.close();
});
