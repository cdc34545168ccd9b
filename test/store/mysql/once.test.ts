import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MailRecord } from '../../../src/record/types.ts';
import { MysqlSink } from '../../../src/store/mysql/mysql-sink.ts';
import type { DataHost } from '../../../src/store/mysql/types.ts';
import { cuttingProxy, type Loss } from '../../support/cutting-proxy.ts';
import { type MariadbServer, mariadbServer, whyNoMariadb } from '../../support/mariadb.ts';
import { day, incompleteRecord, sampleRecord } from '../samples.ts';
import { allRows, dataHost, settings } from './clusters.ts';

const options = { skip: whyNoMariadb() ?? false };

function batchOf(first: number, count: number): MailRecord[] {
  return Array.from({ length: count }, (_, index) => sampleRecord(first + index));
}

async function assertOnce(server: MariadbServer, mails: number, prefix = ''): Promise<void> {
  const rows = await allRows(server, prefix);
  assert.equal(rows.length, mails);
  assert.equal(new Set(rows.map((row) => row.mail_subject)).size, mails);
  assert.equal(new Set(rows.map((row) => row.id)).size, mails);
}

async function assertLedger(sink: MysqlSink, rows: number): Promise<void> {
  assert.deepEqual(await sink.ledger.rows(day), await sink.ledger.count(day));
  assert.equal(
    (await sink.ledger.rows(day)).reduce((sum, entry) => sum + entry.rows, 0),
    rows,
  );
}

for (const schema of ['wide', 'documented'] as const) {
  for (const loss of ['answer', 'commit'] as const satisfies readonly Loss[]) {
    test(
      `MysqlSink writes a mail once when the ${loss} of a transaction is lost (${schema})`,
      options,
      async (context) => {
        const server = await mariadbServer(context);
        const proxy = await cuttingProxy(context, server.port);
        const sink = new MysqlSink(settings([throughPort(dataHost('h', [server]), proxy.port)], { schema }));
        await sink.open();
        await sink.write([incompleteRecord(1, 5), sampleRecord(2)]);
        proxy.losses.push(loss, loss, loss);
        assert.deepEqual(await sink.write(batchOf(3, 10)), { added: 10, replaced: 0, known: 0 });
        assert.deepEqual(await sink.write([sampleRecord(1), ...batchOf(12, 5)]), {
          added: 4,
          replaced: 1,
          known: 1,
        });
        assert.ok(proxy.cuts() >= 2);
        await assertLedger(sink, 16);
        await sink.close();
        await assertOnce(server, 16);
      },
    );
  }
}

test(
  'MysqlSink stores each mail of two writers once, who have the same batches at once',
  options,
  async (context) => {
    const server = await mariadbServer(context);
    for (const schema of ['wide', 'documented'] as const) {
      const sinks = [1, 2, 3].map(
        () => new MysqlSink(settings([dataHost('h', [server])], { schema, prefix: schema })),
      );
      // All make the databases, the tables and the views.
      await Promise.all(sinks.map((sink) => sink.open()));
      const written = await Promise.all(
        sinks.map(async (sink) => {
          let added = 0;
          for (let first = 1; first <= 200; first += 20) added += (await sink.write(mixed(first))).added;
          return added;
        }),
      );
      assert.equal(
        written.reduce((sum, added) => sum + added, 0),
        200,
      );
      assert.deepEqual(
        (await sinks[0]?.tables(day))?.map(({ name, rows }) => [name, rows]),
        [
          ['smtp_2022_01_28', 100],
          ['imap_2022_01_28', 100],
        ],
      );
      for (const sink of sinks) await assertLedger(sink, 200);
      await Promise.all(sinks.map((sink) => sink.close()));
      await assertOnce(server, 200, schema);
      const connection = await server.connect();
      const [[row]] = (await connection.query(
        `SELECT COUNT(*) AS n FROM ${schema}imap_database.imap_2022_01`,
      )) as [[{ n: number }], unknown];
      connection.destroy();
      assert.equal(row.n, 100);
    }
  },
);

function mixed(first: number): MailRecord[] {
  return Array.from({ length: 20 }, (_, index) =>
    sampleRecord(first + index, { protocol: index % 2 === 0 ? 'smtp' : 'imap' }),
  );
}

test('MysqlSink finds a mail again that is known from another day', options, async (context) => {
  const servers = [await mariadbServer(context), await mariadbServer(context)] as const;
  const hosts = [dataHost('a', [servers[0]]), dataHost('b', [servers[1]])];
  const hostOf = (of: string) => Number(of.slice(-1)) % 2;
  const sink = new MysqlSink(settings(hosts, { hostOf }));
  await sink.open();
  const on = (insert_time: string, number: number) => sampleRecord(number, { columns: { insert_time } });
  // Of its own day first, then of others; and of another day first.
  assert.deepEqual(await sink.write([on('2022-01-28', 1)]), { added: 1, replaced: 0, known: 0 });
  assert.deepEqual(await sink.write([on('2022-01-29', 1), on('2022-01-31', 2)]), {
    added: 1,
    replaced: 0,
    known: 1,
  });
  assert.deepEqual(await sink.write([on('2022-01-28', 2), on('2022-02-02', 2)]), {
    added: 0,
    replaced: 0,
    known: 2,
  });
  assert.deepEqual(await sink.tables('2022-01-28'), [{ name: 'smtp_2022_01_28', rows: 1 }]);
  assert.deepEqual(await sink.tables('2022-01-31'), [{ name: 'smtp_2022_01_31', rows: 1 }]);
  assert.deepEqual(await sink.tables('2022-02-02'), []);
  assert.deepEqual(
    (await sink.sample('2022-01-31', 5)).map((row) => [row.mail_subject, row.insert_time]),
    [['mail 2', '2022-01-31']],
  );
  await sink.close();
  assert.equal((await allRows(servers[0])).length, 1);
  assert.equal((await allRows(servers[1])).length, 1);
  const connection = await servers[0].connect({ database: 'smtp_database' });
  const [views] = await connection.query(`SHOW FULL TABLES WHERE table_type = 'VIEW'`);
  connection.destroy();
  assert.deepEqual(views, [], 'a month on two servers has no view');
});

const writer = new URL('./writer.js', import.meta.url);

test(
  'MysqlSink has every mail once after its process was killed again and again',
  options,
  async (context) => {
    const server = await mariadbServer(context);
    const kills = await killedWriter([server], 400, 4);
    assert.equal(kills, 4);
    await assertOnce(server, 400);
    const sink = new MysqlSink(settings([dataHost('h', [server])]));
    await sink.open();
    await assertLedger(sink, 400);
    await sink.close();
  },
);

/** Runs a writer of mails 1 to `mails` until one comes through; kills the first ones at random moments. */
export async function killedWriter(
  masters: readonly MariadbServer[],
  mails: number,
  kills: number,
): Promise<number> {
  const ports = masters.map(({ port }) => port).join(',');
  for (let killed = 0; ; ) {
    const child = fork(writer, [ports, String(mails)], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    if (killed < kills) {
      await once(child, 'message');
      await sleep(Math.random() * 120);
      child.kill('SIGKILL');
    }
    const [code] = await ended;
    if (killed < kills) killed += wasKilled(child) ? 1 : 0;
    else if (code === 0) return killed;
    else throw new Error(`the writer ended with ${code}`);
  }
}

function wasKilled(child: ChildProcess): boolean {
  return child.signalCode === 'SIGKILL';
}

function throughPort(host: DataHost, port: number): DataHost {
  const writeHosts = host.writeHosts.map((each) => ({ ...each, server: { ...each.server, port } }));
  return { ...host, writeHosts };
}
