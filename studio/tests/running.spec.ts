import { expect, test } from './fixtures';

test('stop and start are explained, confirmed and seen', async ({ gateway, page }) => {
  const id = await gateway.webhook('switched');
  await page.goto(`/catalog/${id}/overview`);
  await expect(page.getByText('As wanted')).toBeVisible();
  await page.getByRole('button', { name: 'Stop' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByText('senders are refused')).toBeVisible();
  await dialog.getByRole('button', { name: 'Stop' }).click();
  await expect(page.getByText('Disabled').first()).toBeVisible();
  await page.getByRole('button', { name: 'Start' }).click();
  await dialog.getByRole('button', { name: 'Start' }).click();
  await expect(page.getByText('As wanted')).toBeVisible();
});

test('records show as they are delivered, wait while paused, and go on after the gateway was killed', async ({
  gateway,
  page,
}) => {
  const id = await gateway.webhook('tapped');
  await page.goto(`/catalog/${id}/records`);
  const records = page.getByRole('article');
  // The tap shows what comes from now on: until it is open, what is sent goes by.
  await expect(async () => {
    await gateway.post(id, { id: 'A-1', amount: 1 });
    await expect(records.first()).toContainText('A-1', { timeout: 500 });
  }).toPass();

  await page.getByRole('button', { name: 'Pause' }).click();
  await gateway.post(id, { id: 'A-2', amount: 2 });
  await expect(page.getByText('1 waiting')).toBeVisible();
  await expect(records.filter({ hasText: 'A-2' })).toHaveCount(0);
  await page.getByRole('button', { name: 'Go on' }).click();
  await expect(records.first()).toContainText('A-2');

  await gateway.restart();
  await expect(async () => {
    await gateway.post(id, { id: 'A-3', amount: 3 });
    await expect(records.first()).toContainText('A-3', { timeout: 500 });
  }).toPass();
});

test('a dead letter is looked at, corrected and replayed', async ({ gateway, page }) => {
  const id = await gateway.webhook('lettered', true, {});
  await gateway.graphql(
    `mutation ($id: ID!, $config: JSON!) {
      createDatasourceVersion(input: { id: $id, config: $config }) { version { version } }
    }`,
    {
      id,
      config: {
        connector: { type: 'webhook', auth: { type: 'none' } },
        mapping: {
          outputs: [{ kind: 'order', id: '$.id', fields: { total: '$.amount' } }],
          transform: { language: 'rhai', source: 'if record.total < 0 { throw "negative" } record' },
        },
      },
    },
  );
  await gateway.graphql(
    `mutation ($id: ID!) { publishDatasource(input: { id: $id }) { datasource { id } } }`,
    { id },
  );
  await expect(async () => {
    await gateway.post(id, { id: 'B-1', amount: -5 });
    await page.goto(`/catalog/${id}/dead-letters`);
    await expect(page.getByRole('button', { name: 'Look and edit' }).first()).toBeVisible({ timeout: 1_000 });
  }).toPass();

  await page.getByRole('button', { name: 'Look and edit' }).first().click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByText('negative').first()).toBeVisible();
  await dialog.getByRole('textbox', { name: 'Payload' }).fill('{"id": "B-1", "amount": 5}');
  await dialog.getByRole('button', { name: 'Keep the new payload' }).click();
  await page.getByRole('button', { name: 'Replay all' }).click();
  await dialog.getByRole('button', { name: 'Replay all' }).click();
  await expect(page.getByRole('heading', { name: 'None' })).toBeVisible();
  await page.getByRole('tab', { name: 'Overview' }).click();
  await expect(page.getByRole('row').filter({ hasText: 'Replay' })).toContainText('Done');
});

test('the registry says which node runs what', async ({ gateway, page }) => {
  const id = await gateway.webhook('registered');
  await page.goto('/registry');
  await expect(page.getByText('Alive')).toBeVisible();
  const worker = page.getByRole('row').filter({ hasText: id });
  await expect(worker).toContainText('Running');
  await worker.getByRole('link').click();
  await expect(page.getByRole('heading', { name: 'registered' })).toBeVisible();
});
