/** The disk of a real server is full: the run says so and ends, and the next one has every mail once. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MysqlSink } from '../../../src/store/mysql/mysql-sink.ts';
import { type MariadbServer, mariadbServer, testUser, whyNoMariadb } from '../../support/mariadb.ts';
import { projectRoot } from '../../support/project.ts';
import { runMailproc } from '../../support/run-mailproc.ts';
import { sampleRecord } from '../samples.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { allRows, dataHost, settings } from './clusters.ts';

const oneFile = (megabytesMax: number) => [
  '--innodb-file-per-table=OFF',
  `--innodb-data-file-path=ibdata1:12M:autoextend:max:${megabytesMax}M`,
];

/** All of its tables are in one file that may not grow: what a full disk is to InnoDB. Until it is started again. */
async function serverOnSmallDisk(context: TestContext): Promise<MariadbServer> {
  return mariadbServer(context, [], { first: oneFile(24), later: oneFile(200) });
}

/** Takes what room is left. */
async function fillUp(server: MariadbServer): Promise<void> {
  const connection = await server.connect();
  await connection.query('CREATE DATABASE ballast; USE ballast; CREATE TABLE rest (filler longblob)');
  for (const octets of [500_000, 5000]) {
    for (;;) {
      try {
        await connection.query(`INSERT INTO rest VALUES (REPEAT('x', ${octets}))`);
      } catch (error) {
        assert.equal((error as { errno: number }).errno, 1114);
        break;
      }
    }
  }
  connection.destroy();
}

async function makeRoom(server: MariadbServer): Promise<void> {
  await server.kill();
  await server.start();
}

const options = { skip: whyNoMariadb() ?? false };

test(
  'MysqlSink tells of a full disk, leaves no half batch, and goes on when there is room',
  options,
  async (context) => {
    const server = await serverOnSmallDisk(context);
    const sink = new MysqlSink(settings([dataHost('h', [server])]));
    await sink.open();
    await sink.write([sampleRecord(1)]);
    await fillUp(server);
    const batchOf = (first: number) =>
      Array.from({ length: 10 }, (_, index) =>
        sampleRecord(first + index, { columns: { mail_content: 'x'.repeat(9000) } }),
      );
    let stored = 1;
    await assert.rejects(
      async () => {
        for (let first = 2; ; first += 10) stored += (await sink.write(batchOf(first))).added;
      },
      (error: Error & { code: string; hint: string }) => {
        assert.equal(error.code, 'store.full', error.message);
        assert.match(error.hint, /^make room on the server and run again/);
        return true;
      },
    );
    assert.equal((await allRows(server)).length, stored);
    assert.deepEqual(await sink.ledger.rows('2022-01-28'), await sink.ledger.count('2022-01-28'));
    await makeRoom(server);
    assert.deepEqual(await sink.write(batchOf(stored + 1)), { added: 10, replaced: 0, known: 0 });
    assert.deepEqual(await sink.ledger.rows('2022-01-28'), await sink.ledger.count('2022-01-28'));
    await sink.close();
    assert.equal((await allRows(server)).length, stored + 10);
  },
);

test(
  'mailproc ends with 1 when the disk of the server is full, and the next run finishes',
  options,
  async (context) => {
    const server = await serverOnSmallDisk(context);
    await fillUp(server);
    const folder = temporaryFolder(context);
    const password = join(folder, 'password');
    writeFileSync(password, testUser.password, { mode: 0o600 });
    const store = `mysql://${testUser.user}@127.0.0.1:${server.port}?password-file=${password}`;
    const ingest = () =>
      runMailproc(
        folder,
        ...[join(projectRoot, 'fixtures/sample-day/captures'), '20220128', '--timezone', 'Asia/Shanghai'],
        ...['--store', store],
      );
    const full = await ingest();
    assert.equal(full.status, 1, full.stdout);
    assert.match(full.stderr, /the server has no space left/);
    assert.match(full.stderr, /make room on the server and run again/);
    await makeRoom(server);
    const finished = await ingest();
    assert.equal(finished.status, 0, finished.stderr);
    assert.equal((await allRows(server)).length, 91);
    const verified = await runMailproc(folder, 'verify', '--store', store);
    assert.match(verified.stdout, /ledger and tables agree \(91 rows in 3 tables/);
  },
);
