import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const BINARY = resolve(process.env.STUDIO_BINARY ?? '../target/debug/datasource-studio');

/** Settings of whoever runs the tests must not reach the server that they start. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('STUDIO_') && name !== 'DATABASE_URL',
  );
  return Object.fromEntries(kept);
}

/** The real gateway, on a data directory of its own. */
export class Gateway {
  private constructor(
    private process: ChildProcess,
    readonly url: string,
    readonly token: string,
    readonly dataDir: string,
  ) {}

  static async start(): Promise<Gateway> {
    const dataDir = mkdtempSync(join(tmpdir(), 'studio-console-'));
    const { process, url, token } = await launch(dataDir, '127.0.0.1:0');
    return new Gateway(process, url, token, dataDir);
  }

  /** Ends it hard, and starts it again on the same address and data. */
  async restart(): Promise<void> {
    await this.end('SIGKILL');
    const again = await launch(this.dataDir, new URL(this.url).host);
    this.process = again.process;
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM');
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** A token as an identity provider would give it. */
  tokenFor(role: 'viewer' | 'operator' | 'admin', subject: string): string {
    const args = ['token', '--data-dir', this.dataDir, '--role', role, '--subject', subject];
    const made = spawnSync(BINARY, args, { env: cleanEnvironment(), encoding: 'utf8' });
    if (made.status !== 0) throw new Error(made.stderr);
    return made.stdout.trim();
  }

  /** A query or mutation, as a program would send it. */
  async graphql<T>(query: string, variables: object = {}): Promise<T> {
    const response = await fetch(`${this.url}/graphql`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${this.token}` },
      body: JSON.stringify({ query, variables }),
    });
    const answer = (await response.json()) as { data: T; errors?: unknown };
    if (answer.errors) throw new Error(JSON.stringify(answer.errors));
    return answer.data;
  }

  /** A webhook that takes what anybody sends; published where `live` says so. */
  async webhook(name: string, live = true, connector: object = {}): Promise<string> {
    const config = {
      connector: { type: 'webhook', auth: { type: 'none' }, ...connector },
      mapping: { outputs: [{ kind: 'order', id: '$.id', fields: { total: '$.amount' } }] },
    };
    const { createDatasource } = await this.graphql<{ createDatasource: { datasource: { id: string } } }>(
      `mutation ($name: String!, $config: JSON!) {
        createDatasource(input: { name: $name, type: "webhook", config: $config, tags: ["demo"] }) { datasource { id } }
      }`,
      { name, config },
    );
    const { id } = createDatasource.datasource;
    if (live) {
      await this.graphql(
        `mutation ($id: ID!) { publishDatasource(input: { id: $id }) { datasource { id } } }`,
        { id },
      );
    }
    return id;
  }

  /** Posts a payload until the worker is there to take it. */
  async post(id: string, payload: unknown): Promise<void> {
    for (;;) {
      const response = await fetch(`${this.url}/hooks/${id}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(payload),
      });
      if (response.ok) return;
      if (response.status !== 503 && response.status !== 404)
        throw new Error(`${response.status} ${await response.text()}`);
    }
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    if (this.process.exitCode !== null) return;
    const ended = new Promise((done) => this.process.once('exit', done));
    this.process.kill(signal);
    await ended;
  }
}

async function launch(dataDir: string, listen: string) {
  const child = spawn(BINARY, ['serve', '--listen', listen, '--data-dir', dataDir], {
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let url = '';
  for await (const line of createInterface({ input: child.stdout })) {
    url = /Console\s+(http\S+?)\/$/.exec(line)?.[1] ?? url;
    const token = /^\s*(eyJ\S+)$/.exec(line)?.[1];
    if (token) {
      child.stdout.resume();
      return { process: child as ChildProcess, url, token };
    }
  }
  throw new Error(`${BINARY} did not start; build it with: cargo build`);
}
