/** Who serves reads, on real servers: each tells its name in the one row it has. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MysqlSink } from '../../../src/store/mysql/mysql-sink.ts';
import type { DataHost } from '../../../src/store/mysql/types.ts';
import { dualMaster, type MariadbServer, mariadbServer, whyNoMariadb } from '../../support/mariadb.ts';
import { day, sampleRecord } from '../samples.ts';
import { allRows, dataHost, settings } from './clusters.ts';

const options = { skip: whyNoMariadb() ?? false };

/** Servers that do not know each other, with the same table and a row that names them; the replicas are read-only. */
async function namedServers(context: TestContext): Promise<Readonly<Record<string, MariadbServer>>> {
  const entries = ['M1', 'M2', 'S1', 'S2'].map(async (name, index) => {
    const server = await mariadbServer(context);
    const sink = new MysqlSink(settings([dataHost('h', [server])]));
    await sink.open();
    await sink.write([sampleRecord(index + 1, { columns: { mail_subject: name } })]);
    await sink.close();
    if (name.startsWith('S')) {
      const root = await server.connect({ asRoot: true });
      await root.query('SET GLOBAL read_only = ON');
      root.destroy();
    }
    return [name, server] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** Names of those that answered one of many reads, once it is these and no others. */
async function eventuallyReadFrom(sink: MysqlSink, expected: readonly string[]): Promise<void> {
  let names: string[] = [];
  for (let tries = 0; tries < 150; tries++) {
    const found = new Set<string>();
    for (let turn = 0; turn < 12; turn++) {
      for (const row of await sink.sample(day, 5)) found.add(String(row.mail_subject));
    }
    names = [...found].sort();
    if (names.join() === expected.join()) return;
    await sleep(100);
  }
  assert.deepEqual(names, expected);
}

test(
  'MysqlSink reads from whom balance says, and from others when they are gone',
  options,
  async (context) => {
    const servers = await namedServers(context);
    const { M1, M2, S1, S2 } = servers;
    assert.ok(M1 && M2 && S1 && S2);
    const withSink = async (balance: DataHost['balance'], body: (sink: MysqlSink) => Promise<void>) => {
      const heartbeat = { statement: 'select user()', intervalMs: 100, missesMax: 2 };
      const host = dataHost('h', [M1, M2], { balance, heartbeat, replicas: [[S1], [S2]] });
      const sink = new MysqlSink(settings([host]));
      await sink.open();
      try {
        await body(sink);
      } finally {
        await sink.close();
      }
    };
    const expected: readonly (readonly [DataHost['balance'], readonly string[]])[] = [
      [0, ['M1']],
      [1, ['M2', 'S1', 'S2']],
      [2, ['M1', 'M2', 'S1', 'S2']],
      [3, ['S1', 'S2']],
    ];
    for (const [balance, names] of expected) {
      await withSink(balance, (sink) => eventuallyReadFrom(sink, names));
    }
    // Replicas follow their master: with it, its replica is out.
    await withSink(1, async (sink) => {
      await eventuallyReadFrom(sink, ['M2', 'S1', 'S2']);
      await M2.kill();
      await eventuallyReadFrom(sink, ['S1']);
      await M2.start();
      await eventuallyReadFrom(sink, ['M2', 'S1', 'S2']);
    });
    await withSink(3, async (sink) => {
      await eventuallyReadFrom(sink, ['S1', 'S2']);
      await S1.kill();
      await eventuallyReadFrom(sink, ['S2']);
      await S2.kill();
      await eventuallyReadFrom(sink, ['M1']);
      // What is written goes to the active master, whoever is read from.
      await sink.write([sampleRecord(100, { columns: { mail_subject: 'written' } })]);
      await eventuallyReadFrom(sink, ['M1', 'written']);
      assert.equal((await allRows(M2)).length, 1);
    });
  },
);

test('MysqlSink reads from no replica that lags more than slaveThreshold', options, async (context) => {
  const { masters, replicas } = await dualMaster(context);
  const [replica, other] = replicas;
  const heartbeat = { statement: 'show slave status', intervalMs: 100, missesMax: 5 };
  const host = dataHost('h', masters, {
    balance: 3,
    switchType: 2,
    slaveThreshold: 1,
    heartbeat,
    replicas: replicas.map((each) => [each]),
  });
  const sink = new MysqlSink(settings([host]));
  await sink.open();
  await sink.write([sampleRecord(1)]);
  await eventually(async () => (await allRows(replica)).length + (await allRows(other)).length === 2);
  const root = await replica.connect({ asRoot: true });
  await root.query('STOP SLAVE; CHANGE MASTER TO master_delay = 600; START SLAVE');
  await sink.write([sampleRecord(2)]);
  await eventually(async () => (await allRows(other)).length === 2);
  // It says how far it is behind as soon as it has something to wait for.
  await eventuallyReadFrom(sink, ['mail 1', 'mail 2']);
  await eventually(async () => {
    const turns = Array.from({ length: 12 }, () => sink.sample(day, 5));
    return (await Promise.all(turns)).every((rows) => rows.length === 2);
  });
  assert.equal((await allRows(replica)).length, 1, 'the replica is behind all the time');
  await root.query('STOP SLAVE; CHANGE MASTER TO master_delay = 0; START SLAVE');
  root.destroy();
  await eventually(async () => (await allRows(replica)).length === 2);
  await sink.close();
});

async function eventually(check: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await check()); tries++) {
    assert.ok(tries < 300, 'it never came to that');
    await sleep(100);
  }
}
