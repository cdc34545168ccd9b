import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MailRecord } from '../../../src/record/types.ts';
import { MysqlSink } from '../../../src/store/mysql/mysql-sink.ts';
import {
  dualMaster,
  galera,
  type MariadbServer,
  mariadbServer,
  whyNoGalera,
  whyNoMariadb,
} from '../../support/mariadb.ts';
import { incompleteRecord, sampleRecord } from '../samples.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { allRows, dataHost, settings } from './clusters.ts';

const options = { skip: whyNoMariadb() ?? false };

interface Notes {
  readonly codes: string[];
  readonly report: (code: string, detail: string) => void;
  readonly details: string[];
}

function notes(): Notes {
  const codes: string[] = [];
  const details: string[] = [];
  return {
    codes,
    details,
    report: (code, detail) => {
      codes.push(code);
      details.push(`${code} ${detail}`);
    },
  };
}

function batchOf(first: number, count: number): MailRecord[] {
  return Array.from({ length: count }, (_, index) =>
    sampleRecord(first + index, { protocol: index % 2 === 0 ? 'smtp' : 'imap' }),
  );
}

/** Writes mails 1 to `batches` × 10; `event` happens before batch `at`, while another one is being written. */
async function stream(
  sink: MysqlSink,
  batches: number,
  at: number,
  event: () => Promise<unknown>,
): Promise<void> {
  for (let batch = 0; batch < batches; batch++) {
    const written = sink.write(batchOf(batch * 10 + 1, 10));
    if (batch === at) await event();
    assert.deepEqual(await written, { added: 10, replaced: 0, known: 0 });
  }
}

async function assertStoredOnce(server: MariadbServer, mails: number): Promise<void> {
  const rows = await allRows(server);
  assert.equal(rows.length, mails);
  assert.equal(new Set(rows.map((row) => row.mail_subject)).size, mails);
  assert.equal(new Set(rows.map((row) => row.id)).size, mails);
}

async function assertLedgerAgrees(sink: MysqlSink, mails: number): Promise<void> {
  const [written, counted] = [await sink.ledger.rows('2022-01-28'), await sink.ledger.count('2022-01-28')];
  assert.deepEqual(written, counted);
  assert.equal(
    written.reduce((sum, { rows }) => sum + rows, 0),
    mails,
  );
}

test('MysqlSink goes on with the other master when the active one is killed', options, async (context) => {
  const { masters, replicas } = await dualMaster(context);
  const activeHostFile = join(temporaryFolder(context), 'dnindex.properties');
  const cluster = settings(
    [dataHost('h', masters, { balance: 1, replicas: replicas.map((replica) => [replica]) })],
    { activeHostFile },
  );
  const { codes, details, report } = notes();
  const sink = new MysqlSink(cluster, { report });
  await sink.open();
  await stream(sink, 40, 15, () => masters[0].kill());
  await assertLedgerAgrees(sink, 400);
  await sink.close();
  await assertStoredOnce(masters[1], 400);
  assert.equal(codes.filter((code) => code === 'store.failover').length, 1, details.join('\n'));
  assert.match(details.join('\n'), /hM1 is out \(.*\); hM2 takes the writes \(switchType 1\)/);
  assert.match(readFileSync(activeHostFile, 'utf8'), /^h\s*=\s*1$/m);

  // Back again, the first master is a stand-by: nobody fails back, and both hold the same rows in the end.
  await masters[0].start();
  const again = new MysqlSink(cluster, { report });
  await again.open();
  assert.deepEqual(await again.write(batchOf(391, 20)), { added: 10, replaced: 0, known: 10 });
  await again.close();
  await assertStoredOnce(masters[1], 410);
  await eventually(() => assertStoredOnce(masters[0], 410));
  assert.deepEqual(await allRows(masters[0]), await allRows(masters[1]));
});

test('what only a dead master has does not undo what came after it', options, async (context) => {
  const { masters } = await dualMaster(context);
  const [first, second] = masters;
  const sink = new MysqlSink(settings([dataHost('h', masters)]));
  await sink.open();
  await sink.write(batchOf(1, 10));
  await eventually(() => assertStoredOnce(second, 10));

  // Parts of mails: in the first master's log, and on their way to the second when the first dies.
  await asRoot(second, 'STOP SLAVE IO_THREAD');
  await asRoot(first, 'SET GLOBAL rpl_semi_sync_master_timeout = 600000');
  const part = (number: number) => incompleteRecord(number, 10);
  const parts = sink.write([11, 12, 13].map(part));
  await eventually(async () => assert.ok((await waitingForTwin(first)) > 0));
  await first.kill();
  assert.deepEqual(await parts, { added: 3, replaced: 0, known: 0 });
  assert.equal((await sink.write(batchOf(11, 3))).replaced, 2);
  await sink.close();
  await assertStoredOnce(second, 14);

  await first.start();
  await asRoot(second, 'START SLAVE IO_THREAD');
  await asRoot(second, 'CREATE DATABASE after_all');
  await asRoot(first, 'CREATE DATABASE after_all_back');
  await eventually(async () => {
    assert.ok(await hasDatabase(first, 'after_all'));
    assert.ok(await hasDatabase(second, 'after_all_back'));
  });
  await assertStoredOnce(second, 14);
  assert.deepEqual(await allRows(first), await allRows(second));
});

test('MysqlSink lets go of an active master that is silent', options, async (context) => {
  const [first, second] = await Promise.all([pair(context, 1), pair(context, 2)]);
  const heartbeat = { statement: 'select user()', intervalMs: 200, missesMax: 2 };
  const sink = new MysqlSink(settings([dataHost('h', [first, second], { heartbeat })]));
  await sink.open();
  await sink.write(batchOf(1, 10));
  first.pause();
  try {
    assert.deepEqual(await sink.write(batchOf(11, 10)), { added: 10, replaced: 0, known: 0 });
  } finally {
    first.resume();
  }
  await sink.close();
  // They do not replicate: the second has what was acknowledged before, too.
  await assertStoredOnce(second, 20);
});

for (const [silent, dead] of [
  ['active master', 'stand-by'],
  ['stand-by', 'active master'],
] as const) {
  test(`MysqlSink waits for a silent ${silent} when the ${dead} is dead`, options, async (context) => {
    const servers = await Promise.all([pair(context, 1), pair(context, 2)]);
    const [waited, killed] = silent === 'active master' ? servers : [servers[1], servers[0]];
    const { details, report } = notes();
    let waits = (): void => {};
    const isWaiting = new Promise<void>((resolve) => {
      waits = resolve;
    });
    const heartbeat = { statement: 'select user()', intervalMs: 100, missesMax: 2 };
    const sink = new MysqlSink(settings([dataHost('h', servers, { heartbeat })]), {
      report: (code, detail) => {
        report(code, detail);
        if (code === 'store.waiting') waits();
      },
    });
    await sink.open();
    await sink.write(batchOf(1, 10));
    waited.pause();
    await killed.kill();
    const written = sink.write(batchOf(11, 10));
    await isWaiting;
    waited.resume();
    assert.deepEqual(await written, { added: 10, replaced: 0, known: 0 });
    await sink.close();
    await assertStoredOnce(waited, 20);
    assert.match(details.join('\n'), /store\.waiting data host h: waiting for hM\d \(/);
  });
}

test('MysqlSink takes no read-only server for a master', options, async (context) => {
  const [first, second] = await Promise.all([pair(context, 1, ['--read-only=ON']), pair(context, 2)]);
  const { details, report } = notes();
  const sink = new MysqlSink(settings([dataHost('h', [first, second])]), { report });
  await sink.open();
  await sink.write(batchOf(1, 10));
  await sink.close();
  await assertStoredOnce(second, 10);
  assert.deepEqual(await allRows(first), []);
  assert.match(details.join('\n'), /hM1 is out \(it is read-only\)/);
});

test('MysqlSink takes a stand-by that never reached its master', options, async (context) => {
  const [first, second] = await Promise.all([pair(context, 1), pair(context, 2)]);
  await asRoot(second, `CHANGE MASTER TO master_host = '127.0.0.1', master_port = 1, master_user = 'slave'`);
  await asRoot(second, 'START SLAVE');
  const sink = new MysqlSink(settings([dataHost('h', [first, second])]));
  await sink.open();
  await first.kill();
  assert.deepEqual(await sink.write(batchOf(1, 10)), { added: 10, replaced: 0, known: 0 });
  await sink.close();
  await assertStoredOnce(second, 10);
});

test('MysqlSink stays with its master where switchType is -1', options, async (context) => {
  const [first, second] = await Promise.all([pair(context, 1), pair(context, 2)]);
  const sink = new MysqlSink(settings([dataHost('h', [first, second], { switchType: -1 })]));
  await sink.open();
  await first.kill();
  await assert.rejects(sink.write(batchOf(1, 1)), { name: 'MailprocError', code: 'store.unreachable' });
  await first.start();
  assert.deepEqual(await sink.write(batchOf(1, 1)), { added: 1, replaced: 0, known: 0 });
  await sink.close();
  assert.deepEqual(await allRows(second), []);
});

test(
  'MysqlSink with switchType 2 asks for a stand-by whose replication is known',
  options,
  async (context) => {
    const [first, second] = await Promise.all([pair(context, 1), pair(context, 2)]);
    const { details, report } = notes();
    const sink = new MysqlSink(settings([dataHost('h', [first, second], { switchType: 2 })]), { report });
    await sink.open();
    await first.kill();
    await assert.rejects(sink.write(batchOf(1, 1)), { code: 'store.unreachable' });
    await sink.close();
    assert.match(details.join('\n'), /hM2 cannot take the writes: its replication state is not known/);
  },
);

test('MysqlSink survives a duplicate id by taking fresh ones', options, async (context) => {
  const server = await mariadbServer(context);
  let last = 0n;
  const ids = {
    idBits: 31 as const,
    take: async (count: number) => {
      const first = last + 1n;
      last += BigInt(count);
      return [{ first, last }];
    },
    discard: () => {},
  };
  for (const schema of ['wide', 'documented'] as const) {
    const sink = new MysqlSink(settings([dataHost('h', [server])], { prefix: schema, schema }), { ids });
    await sink.open();
    last = 0n;
    await sink.write(batchOf(1, 4));
    // The same once more: taken.
    last = 0n;
    assert.deepEqual(await sink.write(batchOf(5, 4)), { added: 4, replaced: 0, known: 0 });
    await sink.close();
    const rows = await allRows(server, schema);
    assert.equal(rows.length, 8);
    for (const name of ['smtp', 'imap']) {
      const own = rows.filter(
        (row) => (Number(String(row.mail_subject).slice(5)) % 2 === 1) === (name === 'smtp'),
      );
      assert.equal(new Set(own.map((row) => row.id)).size, 4);
    }
  }
});

test('MysqlSink goes on with the next Galera node when one is killed', {
  skip: whyNoGalera() ?? false,
}, async (context) => {
  const nodes = await galera(3, context);
  const [first, second, third] = nodes;
  assert.ok(first && second && third);
  const sink = new MysqlSink(settings([dataHost('h', nodes, { switchType: 3 })]));
  const other = new MysqlSink(settings([dataHost('h', [second, third], { switchType: 3 })]));
  await sink.open();
  await other.open();
  // Two writers on two nodes, the same mails; often enough that one COMMIT is refused for the other's.
  const stored = [];
  for (let number = 1; number <= 600; number += 10) {
    const batch = batchOf(number, 10);
    stored.push(...(await Promise.all([sink.write(batch), other.write(batch)])));
  }
  assert.equal(
    stored.reduce((sum, { added }) => sum + added, 0),
    600,
  );
  await other.close();
  for (let batch = 60; batch < 70; batch++) {
    const written = sink.write(batchOf(batch * 10 + 1, 10));
    if (batch === 65) await first.kill();
    assert.deepEqual(await written, { added: 10, replaced: 0, known: 0 });
  }
  await assertLedgerAgrees(sink, 700);
  await sink.close();
  await eventually(() => assertStoredOnce(third, 700));
});

async function asRoot(server: MariadbServer, sql: string): Promise<Record<string, string>[]> {
  const connection = await server.connect({ asRoot: true });
  try {
    const [rows] = await connection.query(sql);
    return rows as Record<string, string>[];
  } finally {
    connection.destroy();
  }
}

/** Transactions whose COMMIT waits until the twin has received them. */
async function waitingForTwin(server: MariadbServer): Promise<number> {
  const [status] = await asRoot(server, `SHOW STATUS LIKE 'Rpl_semi_sync_master_wait_sessions'`);
  return Number(status?.['Value']);
}

async function hasDatabase(server: MariadbServer, name: string): Promise<boolean> {
  return (await asRoot(server, `SHOW DATABASES LIKE '${name}'`)).length > 0;
}

/** One of two servers that do not know each other. */
async function pair(context: TestContext, id: number, extra: readonly string[] = []): Promise<MariadbServer> {
  return mariadbServer(context, [`--server-id=${id}`, ...extra]);
}

async function eventually(check: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + 120_000;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(100);
    }
  }
}
