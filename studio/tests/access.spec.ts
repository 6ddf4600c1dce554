import { expect, test } from './fixtures';

test('a viewer sees everything and is offered nothing that would be refused', async ({ gateway, as }) => {
  const id = await gateway.webhook('read-only');
  const page = await as('viewer', 'vera');
  await page.goto('/');
  await expect(page.getByRole('link', { name: 'read-only' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'New datasource' })).toHaveCount(0);
  await expect(page.getByRole('link', { name: 'Audit' })).toHaveCount(0);
  await expect(page.getByRole('link', { name: 'Registry' })).toHaveCount(0);

  await page.goto(`/catalog/${id}/overview`);
  await expect(page.getByText('As wanted')).toBeVisible();
  for (const action of ['Stop', 'Restart', 'Archive', 'Backfill']) {
    await expect(page.getByRole('button', { name: action })).toHaveCount(0);
  }
  await expect(page.getByRole('tab', { name: 'Dead letters' })).toHaveCount(0);
  await page.getByRole('tab', { name: 'Configuration' }).click();
  await expect(page.getByRole('heading', { name: 'Version 1' })).toBeVisible();
  await expect(page.getByRole('button', { name: /Save|Publish/ })).toHaveCount(0);
  await page.getByRole('tab', { name: 'Versions' }).click();
  await expect(page.getByText('Published', { exact: true })).toBeVisible();

  // An address that was shared by somebody with another role says what is missing.
  await page.goto('/new');
  await expect(page.getByText('Your role cannot create datasources')).toBeVisible();
  await page.goto('/audit');
  await expect(page.getByText('Your role cannot read the audit log')).toBeVisible();
});

test('an operator drafts and an administrator publishes', async ({ gateway, as }) => {
  const id = await gateway.webhook('two-roles', false);
  const operator = await as('operator', 'otto');
  await operator.goto(`/new?id=${id}`);
  await expect(operator.getByText('An administrator publishes it.')).toBeVisible();
  await expect(operator.getByRole('button', { name: 'Publish' })).toHaveCount(0);

  const admin = await as('admin', 'ada');
  await admin.goto(`/catalog/${id}/versions`);
  await admin.getByRole('button', { name: 'Publish version 1' }).click();
  const dialog = admin.getByRole('dialog');
  await expect(dialog.getByText('Version 1 goes live')).toBeVisible();
  await dialog.getByLabel('Comment (for the timeline)').fill('Reviewed');
  await dialog.getByRole('button', { name: 'Publish version 1' }).click();
  await expect(operator.getByRole('heading', { name: 'Waiting for the first record' })).toBeVisible();
});

test('who comes without a token signs in with one, and a refused token says why', async ({
  browser,
  gateway,
}) => {
  // A page that is opened under another name gets no token for free.
  const context = await browser.newContext({ baseURL: gateway.url, extraHTTPHeaders: { via: '1.1 proxy' } });
  const page = await context.newPage();
  await page.goto('/account');
  const token = page.getByRole('textbox', { name: 'Access token' });
  await token.fill('not a token');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('alert')).toContainText('UNAUTHENTICATED');

  await token.fill(`Bearer ${gateway.tokenFor('operator', 'olga')}`);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('heading', { name: 'olga' })).toBeVisible();
  await page.reload();
  await expect(page.getByRole('heading', { name: 'olga' })).toBeVisible();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(token).toBeVisible();
  await context.close();
});
