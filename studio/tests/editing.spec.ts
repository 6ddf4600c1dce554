import type { Page } from '@playwright/test';
import { expect, test } from './fixtures';

async function addField(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name: 'Add a field' }).click();
  await page.getByLabel('Name of the field').last().fill(name);
  await page.getByLabel(`Path of ${name}`).fill(`$.${name}`);
}

test('two people edit one datasource: the second is shown both texts, and neither is lost', async ({
  gateway,
  as,
}) => {
  const id = await gateway.webhook('shared');
  const [ada, grace] = [await as('admin', 'ada'), await as('admin', 'grace')];
  for (const page of [ada, grace]) {
    await page.goto(`/catalog/${id}/configuration`);
    await expect(page.getByText('You edit version 1')).toBeVisible();
  }
  await addField(ada, 'currency');
  await addField(grace, 'country');
  await ada.getByRole('button', { name: 'Save as a draft' }).click();
  await expect(ada.getByText('You edit version 2, a draft.')).toBeVisible();

  await grace.getByRole('button', { name: 'Save as a draft' }).click();
  const conflict = grace.getByRole('alert').filter({ hasText: 'ada changed this datasource' });
  await expect(conflict).toBeVisible();
  await expect(conflict.getByText('"currency"').first()).toBeVisible();
  await expect(conflict.getByText('"country"').first()).toBeVisible();
  // What she typed is still in the form.
  await expect(grace.getByLabel('Path of country')).toHaveValue('$.country');

  await conflict.getByRole('button', { name: 'Save mine as the next draft' }).click();
  await expect(grace.getByText('You edit version 3, a draft.')).toBeVisible();
  await grace.goto(`/catalog/${id}/versions`);
  await expect(grace.getByRole('row').filter({ hasText: 'ada' })).toHaveCount(1);
  await expect(grace.getByRole('row').filter({ hasText: 'grace' })).toHaveCount(1);
});

test('a change goes live with its difference shown, and a rollback takes it back', async ({
  gateway,
  page,
}) => {
  const id = await gateway.webhook('evolving');
  await page.goto(`/catalog/${id}/configuration`);
  await addField(page, 'currency');
  await page.getByLabel('Comment').fill('Add the currency');
  await page.getByRole('button', { name: 'Save as a draft' }).click();
  await page.getByRole('button', { name: 'Publish version 2' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByText('/mapping/outputs/0/fields/currency')).toBeVisible();
  await dialog.getByRole('button', { name: 'Publish version 2' }).click();
  await expect(page.getByText('You edit version 2, which is published')).toBeVisible();

  await page.getByRole('tab', { name: 'Versions' }).click();
  await page.getByRole('button', { name: 'Roll back to 1' }).click();
  await dialog.getByLabel('Comment (for the timeline)').fill('Not yet');
  await dialog.getByRole('button', { name: 'Roll back to 1' }).click();
  await expect(page.getByRole('row').filter({ hasText: 'Add the currency' })).toContainText('Before');

  await page.getByRole('tab', { name: 'Events' }).click();
  await expect(page.getByText('Rolled back · version 1')).toBeVisible();
  await expect(page.getByText('Not yet')).toBeVisible();
});

test('what is wrong with a document is said beside it, and it cannot be saved so', async ({
  gateway,
  page,
}) => {
  const id = await gateway.webhook('careful', false);
  await page.goto(`/catalog/${id}/configuration`);
  await page.getByRole('tab', { name: 'Document' }).click();
  const editor = page.getByRole('textbox', { name: 'Configuration document' });
  await editor.fill('connector:\n  type: webhook\n  auth: { type: none }\n  colour: red\n');
  await expect(page.getByRole('alert')).toContainText('/connector/colour');
  await expect(page.getByRole('button', { name: 'Save as a draft' })).toBeDisabled();
  await editor.fill('connector: [');
  await expect(page.getByRole('alert').first()).toBeVisible();
});

test('a secret is set in place, and only its name is in the configuration', async ({ page, gateway }) => {
  await page.goto('/new?type=webhook');
  await page.getByRole('textbox', { name: 'Name' }).fill('signed');
  await page.getByRole('combobox', { name: 'Authentication' }).click();
  await page.getByRole('option', { name: 'Bearer token' }).click();
  await page.getByLabel(/^Token/).fill('correct horse battery');
  await page.getByRole('button', { name: 'Create the draft' }).click();
  await expect(page.getByRole('heading', { name: 'Preview' })).toBeVisible();
  await page.getByRole('button', { name: 'Publish', exact: true }).click();
  await expect(page.getByText('Running', { exact: true })).toBeVisible();
  await expect(page.getByText('Authorization: Bearer $SECRET')).toBeVisible();

  const { datasources } = await gateway.graphql<{
    datasources: { nodes: { secrets: object[]; latestVersion: object }[] };
  }>(`{ datasources(filter: { search: "signed" }) { nodes { secrets { key } latestVersion { config } } } }`);
  expect(datasources.nodes[0]?.secrets).toEqual([{ key: 'token' }]);
  expect(JSON.stringify(datasources)).toContain('{{secret.token}}');
  expect(JSON.stringify(datasources)).not.toContain('correct horse');
});

test('a form that is only looked at changes nothing', async ({ gateway, page }) => {
  const id = await gateway.webhook('untouched');
  await page.goto(`/catalog/${id}/configuration`);
  await page.getByRole('tab', { name: 'Source' }).click();
  await expect(page.getByRole('combobox', { name: 'Authentication' })).toHaveValue('None');
  await page.getByRole('tab', { name: 'Delivery' }).click();
  await page.getByLabel('Sink').selectOption('jsonl');
  await expect(page.getByRole('button', { name: 'Save as a draft' })).toBeVisible();
  await page.getByLabel('Sink').selectOption('');
  await expect(page.getByRole('button', { name: 'Save as a draft' })).toHaveCount(0);
});

test('a sample that was pasted is kept, and is what the mapping is tried on from then on', async ({
  gateway,
  page,
}) => {
  const id = await gateway.webhook('sampled', false);
  await page.goto(`/catalog/${id}/configuration`);
  await page.getByText('Paste or edit').click();
  await page.getByRole('textbox', { name: 'Sample payload' }).fill('{"id": "A-7", "amount": 41.5}');
  const preview = page.getByRole('region', { name: 'Preview' }).last();
  await expect(preview.getByText('"total": 41.5')).toBeVisible();
  await page.getByRole('button', { name: 'Keep…' }).click();
  await page.getByLabel('Keep this sample as').fill('an order');
  await page.getByRole('button', { name: 'Keep', exact: true }).click();
  await expect(page.getByText('Kept as an order')).toBeVisible();
  await page.reload();
  await expect(preview.getByText('"total": 41.5')).toBeVisible();
  await expect(page.getByRole('button', { name: '$.amount is mapped' })).toBeVisible();
});
