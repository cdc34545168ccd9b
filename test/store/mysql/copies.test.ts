import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderVerification } from '../../../src/cli/render-verification.ts';
import { type Verification, verify } from '../../../src/pipeline/verify.ts';
import { MysqlSink } from '../../../src/store/mysql/mysql-sink.ts';
import { dualMaster, type MariadbServer, whyNoMariadb } from '../../support/mariadb.ts';
import { sampleRecord } from '../samples.ts';
import { dataHost, settings } from './clusters.ts';

for (const schema of ['wide', 'documented'] as const) {
  test(`verify tells which servers lack rows, ${schema} tables`, {
    skip: whyNoMariadb() ?? false,
  }, async (context) => {
    const { masters, replicas } = await dualMaster(context);
    const [replica] = replicas;
    const host = dataHost('h', masters, { replicas: replicas.map((each) => [each]) });
    const sink = new MysqlSink(settings([host], { schema }));
    await sink.open();
    const look = () => verify(sink, sink.ledger, ['2022-01-28']);
    const unlike = async () =>
      (await look()).unlike.map(({ server, rows, activeRows }) => [server, rows, activeRows]);
    await sink.write([1, 2].map((number) => sampleRecord(number)));
    assert.deepEqual(await unlike(), []);

    await asRoot(replica, 'STOP SLAVE');
    await sink.write([sampleRecord(3)]);
    assert.deepEqual(await unlike(), [['hS1-1', 2, 3]]);
    await asRoot(replica, 'START SLAVE');
    await eventually(unlike);

    const table = schema === 'wide' ? 'smtp_2022_01_28' : 'mail_keys';
    await asRoot(replica, `UPDATE smtp_database.${table} SET mail_rank = 7 WHERE id = 2`);
    const changed = await look();
    assert.match(
      told(changed),
      /agree, servers differ .*\n {2}smtp_2022_01_28 {2}on hS1-1: 3 rows as on hM1, but not the same\n/,
    );
    replica.pause();
    const { unasked: silent } = await look();
    assert.deepEqual(
      silent.map(({ server }) => server),
      ['hS1-1'],
    );
    replica.resume();
    await replica.kill();
    const { unasked, unlike: none } = await look();
    assert.deepEqual([unasked.map(({ server }) => server), none], [['hS1-1'], []]);
    assert.match(told(await look()), /besides, hS1-1 could not be asked: connect ECONNREFUSED/);
    await sink.close();
  });
}

function told(verification: Verification): string {
  return renderVerification(verification);
}

async function asRoot(server: MariadbServer, sql: string): Promise<void> {
  const connection = await server.connect({ asRoot: true });
  await connection.query(sql);
  connection.destroy();
}

async function eventually(differences: () => Promise<readonly unknown[]>): Promise<void> {
  for (let tries = 0; (await differences()).length > 0; tries++) assert.ok(tries < 60, 'they never agree');
}
