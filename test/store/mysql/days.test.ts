/** The same mails for different days at the same moment: whatever meets whatever, each is stored once. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MailRecord } from '../../../src/record/types.ts';
import { MysqlSink } from '../../../src/store/mysql/mysql-sink.ts';
import type { ClusterSettings } from '../../../src/store/mysql/types.ts';
import {
  galera,
  type MariadbServer,
  mariadbServer,
  whyNoGalera,
  whyNoMariadb,
} from '../../support/mariadb.ts';
import { incompleteRecord, sampleRecord } from '../samples.ts';
import { allRows, dataHost, settings } from './clusters.ts';

const options = { skip: whyNoMariadb() ?? false };
/** The first is the mails' own. */
const days = ['2022-01-28', '2022-01-29', '2022-02-01'] as const;

function whole(number: number, day: string): MailRecord {
  return sampleRecord(number, { columns: { insert_time: day } });
}

function part(number: number, rawSize: number, day: string): MailRecord {
  return incompleteRecord(number, rawSize, { columns: { insert_time: day } });
}

async function assertOnce(servers: readonly MariadbServer[], mails: number, prefix = ''): Promise<void> {
  const rows = (await Promise.all(servers.map((server) => allRows(server, prefix)))).flat();
  assert.equal(rows.length, mails);
  assert.equal(new Set(rows.map((row) => row.message_id)).size, mails);
  assert.equal(new Set(rows.map((row) => row.id)).size, mails);
}

async function assertLedger(sink: MysqlSink): Promise<void> {
  for (const day of days) assert.deepEqual(await sink.ledger.rows(day), await sink.ledger.count(day));
}

interface Setting {
  readonly what: string;
  readonly servers: (context: TestContext) => Promise<readonly MariadbServer[]>;
  /** Of each writer in turn. */
  readonly clusters: (servers: readonly MariadbServer[], prefix: string) => readonly ClusterSettings[];
  readonly skip?: string | false;
  readonly rounds: number;
}

const two = (hostOf: (day: string) => number, servers: readonly MariadbServer[], prefix: string) =>
  settings(
    servers.map((server, index) => dataHost(`h${index}`, [server])),
    { hostOf, prefix },
  );

const places: readonly Setting[] = [
  ...(['wide', 'documented'] as const).map(
    (schema): Setting => ({
      what: `on one server, ${schema} tables`,
      servers: async (context) => [await mariadbServer(context)],
      clusters: (servers, prefix) => [settings([dataHost('h', servers)], { schema, prefix })],
      rounds: 8,
    }),
  ),
  {
    what: 'on two data nodes, the days in turn',
    servers: (context) => Promise.all([mariadbServer(context), mariadbServer(context)]),
    clusters: (servers, prefix) => [two((day) => Number(day.slice(-1)) % 2, servers, prefix)],
    rounds: 4,
  },
  {
    what: 'on three data nodes, a day each',
    servers: (context) => Promise.all([1, 2, 3].map(() => mariadbServer(context))),
    clusters: (servers, prefix) => [
      two((day) => Math.max(0, days.indexOf(day as (typeof days)[number])), servers, prefix),
    ],
    rounds: 4,
  },
  {
    what: 'through two nodes of a Galera cluster',
    servers: (context) => galera(2, context),
    clusters: (nodes, prefix) =>
      nodes.map((node) => settings([dataHost('h', [node], { switchType: 3 })], { prefix })),
    skip: whyNoGalera() ?? false,
    rounds: 2,
  },
];

for (const { what, servers: start, clusters, skip, rounds } of places) {
  test(`MysqlSink stores a mail once of writers for different days at once, ${what}`, {
    skip: skip ?? options.skip,
  }, async (context) => {
    const servers = await start(context);
    const stores = what.includes('Galera') ? servers.slice(0, 1) : servers;
    for (let round = 0; round < rounds; round++) {
      const prefix = `r${round}_`;
      const each = clusters(servers, prefix);
      const sinks = days.map((_, index) => new MysqlSink(each[index % each.length] ?? settings([])));
      await Promise.all(sinks.map((sink) => sink.open()));
      // Every other round the tables are made in the race, too.
      if (round % 2 === 1) await sinks[0]?.write(days.map((day, index) => whole(1000 + index, day)));
      const before = round % 2 === 1 ? days.length : 0;
      const written = await Promise.all(
        sinks.map(async (sink, index) => {
          let added = 0;
          for (let first = 1; first <= 60; first += 12) {
            const numbers = Array.from({ length: 12 }, (_, place) => first + place);
            if (index === 1) numbers.reverse();
            added += (await sink.write(numbers.map((number) => whole(number, days[index] ?? days[0])))).added;
          }
          return added;
        }),
      );
      await assertOnce(stores, 60 + before, prefix);
      const added = written.reduce((sum, each) => sum + each, 0);
      // Over data nodes, what one added may have been taken over by another in the same moment.
      if (stores.length === 1) assert.equal(added, 60);
      else assert.ok(added >= 60);
      for (const sink of sinks) await assertLedger(sink);
      await Promise.all(sinks.map((sink) => sink.close()));
    }
  });

  test(`MysqlSink moves a mail once when writers for different days have more and more of it, ${what}`, {
    skip: skip ?? options.skip,
  }, async (context) => {
    const servers = await start(context);
    const stores = what.includes('Galera') ? servers.slice(0, 1) : servers;
    for (let round = 0; round < rounds; round++) {
      const prefix = `m${round}_`;
      const each = clusters(servers, prefix);
      const sinks = days.map((_, index) => new MysqlSink(each[index % each.length] ?? settings([])));
      await Promise.all(sinks.map((sink) => sink.open()));
      await Promise.all(
        sinks.map(async (sink, index) => {
          const day = days[index] ?? days[0];
          const numbers = [1, 2, 3, 4, 5, 6, 7, 8];
          for (let size = index; size < 12; size += 3) {
            await sink.write(numbers.map((number) => part(number, size * 10 + number, day)));
          }
          await sink.write(numbers.map((number) => whole(number, days[number % 3] ?? day)));
        }),
      );
      await assertOnce(stores, 8, prefix);
      const rows = (await Promise.all(stores.map((server) => allRows(server, prefix)))).flat();
      for (const row of rows) {
        const number = Number(String(row.message_id).split('@')[0]);
        assert.deepEqual([row.insert_time, row.mail_subject], [days[number % 3], `mail ${number}`]);
      }
      for (const sink of sinks) await assertLedger(sink);
      await Promise.all(sinks.map((sink) => sink.close()));
    }
  });
}

const writer = new URL('./day-writer.js', import.meta.url);

for (const servers of [1, 3]) {
  test(
    `MysqlSink moves every mail once though its process is killed again and again, on ${servers} data nodes`,
    options,
    async (context) => {
      const mails = 60;
      const nodes = await Promise.all(Array.from({ length: servers }, () => mariadbServer(context)));
      const ports = nodes.map(({ port }) => port).join('/');
      for (let kills = 0; kills < 12; ) {
        const child = fork(writer, [ports, String(mails)], { stdio: 'ignore' });
        const ended = once(child, 'exit');
        await Promise.race([once(child, 'message'), ended]);
        await sleep(Math.random() * 400);
        child.kill('SIGKILL');
        await ended;
        if (child.signalCode !== 'SIGKILL') break;
        kills++;
      }
      const [code] = await once(fork(writer, [ports, String(mails)], { stdio: 'ignore' }), 'exit');
      assert.equal(code, 0);
      await assertOnce(nodes, mails);
      const rows = (await Promise.all(nodes.map((node) => allRows(node)))).flat();
      for (const row of rows) assert.deepEqual([row.insert_time, row.parse_sign], [days[2], 1]);
    },
  );
}
