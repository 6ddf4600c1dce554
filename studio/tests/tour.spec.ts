import { expect, test } from './fixtures';
import { Gateway } from './gateway';

let fresh: Gateway;
test.beforeEach(async () => {
  fresh = await Gateway.start();
});
test.afterEach(() => fresh.stop());

test('from the front page to a published webhook that shows its record', async ({ page }) => {
  await page.goto(fresh.url);
  await expect(page.getByText('No datasources yet')).toBeVisible();
  await page.getByRole('link', { name: 'New datasource' }).last().click();

  await page.getByRole('button', { name: /^Webhook/ }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill('pushes');
  await page.getByRole('button', { name: 'Create the draft' }).click();

  // A click in the sample maps a field, and the preview follows.
  await page.getByRole('button', { name: 'Map $.pusher.name' }).click();
  await page.getByRole('button', { name: 'Map $.repository.name', exact: true }).click();
  const preview = page.getByRole('region', { name: 'Preview' }).last();
  await expect(preview.getByText('"name": "mona"')).toBeVisible();
  await expect(preview.getByText('"repository_name": "weather"')).toBeVisible();
  await page.getByLabel('Kind').fill('push');
  await page.getByRole('button', { name: 'Publish', exact: true }).click();

  await expect(page.getByRole('heading', { name: 'Waiting for the first record' })).toBeVisible();
  await expect(page.getByText('Running', { exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'Send this sample now' }).click();
  await expect(page.getByRole('heading', { name: 'The first record is here' })).toBeVisible();
  await expect(page.getByText('"repository_name": "weather"')).toBeVisible();

  await page.getByRole('link', { name: 'Open pushes' }).click();
  await expect(page.getByText('As wanted')).toBeVisible();
});
