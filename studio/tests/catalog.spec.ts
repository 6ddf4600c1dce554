import { expect, test } from './fixtures';

const MANY = 500;

test.beforeAll(async ({ gateway }) => {
  const numbers = Array.from({ length: MANY }, (_, index) => String(index + 1).padStart(5, '0'));
  for (let at = 0; at < MANY; at += 25) {
    const fields = numbers
      .slice(at, at + 25)
      .map(
        (n) =>
          `d${n}: createDatasource(input: { name: "feed-${n}", type: "webhook", tags: ["bulk"] }) { datasource { id } }`,
      );
    await gateway.graphql(`mutation { ${fields.join('\n')} }`);
  }
});

test('a long list is drawn only where it is looked at, and pages as one scrolls', async ({ page }) => {
  await page.goto('/?tag=bulk&sort=name');
  const grid = page.getByRole('grid', { name: 'Datasources' });
  await expect(grid).toHaveAttribute('aria-rowcount', String(MANY + 1));
  await expect(page.getByRole('link', { name: 'feed-00001' })).toBeVisible();
  await expect(async () => {
    await grid.evaluate((element) => element.scrollTo(0, element.scrollHeight));
    await expect(page.getByRole('link', { name: `feed-00${MANY}` })).toBeVisible({ timeout: 300 });
  }).toPass();
  expect(await grid.getByRole('row').count()).toBeLessThan(60);
});

test('a filter is a link', async ({ page, gateway }) => {
  await gateway.webhook('the-live-one');
  await page.goto('/');
  await page.getByRole('textbox', { name: 'Search' }).fill('live one');
  await expect(page.getByRole('row')).toHaveCount(2);
  await page.getByText('Active', { exact: true }).click();
  await expect(page).toHaveURL(/q=live(\+|%20)one.*status=/);
  await page.reload();
  await expect(page.getByRole('textbox', { name: 'Search' })).toHaveValue('live one');
  await expect(page.getByRole('checkbox', { name: 'Active' })).toBeChecked();
  await expect(page.getByRole('row')).toHaveCount(2);

  await page.goto('/?q=nothing-is-called-so');
  await page.getByRole('button', { name: 'Clear all filters' }).click();
  await expect(page).toHaveURL(/\/$/);
});

test('the list is walked and opened by keyboard', async ({ page }) => {
  await page.goto('/?tag=bulk&sort=name');
  await expect(page.getByRole('link', { name: 'feed-00001' })).toBeVisible();
  await page.keyboard.press('/');
  await expect(page.getByRole('textbox', { name: 'Search' })).toBeFocused();
  await page.getByRole('row').nth(1).focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('row').filter({ hasText: 'feed-00003' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'feed-00003' })).toBeVisible();
});

test('what others do shows without asking again', async ({ page, gateway }) => {
  const id = await gateway.webhook('watched');
  await page.goto('/?q=watched');
  const row = page.getByRole('row').filter({ hasText: 'watched' });
  await expect(row).toContainText('Running');
  await gateway.graphql(`mutation ($id: ID!) { stopDatasource(input: { id: $id }) { datasource { id } } }`, {
    id,
  });
  await expect(row).toContainText('Disabled');
  await gateway.webhook('watched-too', false);
  await expect(page.getByRole('link', { name: 'watched-too' })).toBeVisible();
});
