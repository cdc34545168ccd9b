import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { MailprocError } from '../../../src/core/errors.ts';
import { isDuplicateId, mysqlError, troubleOf } from '../../../src/store/mysql/mysql-error.ts';
import { MysqlSink } from '../../../src/store/mysql/mysql-sink.ts';
import type { DataHost, Server } from '../../../src/store/mysql/types.ts';
import { mariadbServer, whyNoMariadb } from '../../support/mariadb.ts';
import { sampleRecord } from '../samples.ts';
import { dataHost, settings } from './clusters.ts';

const ofServer = (errno: number, sqlMessage = 'as the server says') =>
  Object.assign(new Error(sqlMessage), { errno, sqlMessage });
const ofSystem = (code: string) => Object.assign(new Error(code), { code });

test('troubleOf tells what to do about an error', () => {
  for (const [error, trouble] of [
    [ofServer(1213), 'conflict'],
    [ofServer(1205), 'conflict'],
    [ofServer(1062), 'duplicate'],
    [ofServer(1047, 'WSREP has not yet prepared node for application use'), 'connection'],
    [ofServer(1290), 'read-only'],
    [ofServer(1146), 'schema'],
    [ofServer(1064), 'other'],
    [ofSystem('ECONNRESET'), 'connection'],
    [ofSystem('PROTOCOL_CONNECTION_LOST'), 'connection'],
    [ofSystem('ENOSPC'), 'other'],
    [new MailprocError('a', 'b'), 'other'],
  ] as const) {
    assert.equal(troubleOf(error), trouble, error.message);
  }
});

test('isDuplicateId tells the primary key from others, as MariaDB and MySQL word it', () => {
  assert.ok(isDuplicateId(ofServer(1062, `Duplicate entry '1' for key 'PRIMARY'`)));
  assert.ok(isDuplicateId(ofServer(1062, `Duplicate entry '1' for key 'smtp_2022_01_28.PRIMARY'`)));
  assert.ok(!isDuplicateId(ofServer(1062, `Duplicate entry 'x' for key 'mail_key'`)));
});

test('mysqlError speaks to the operator', () => {
  for (const [error, code, text] of [
    [ofSystem('ECONNREFUSED'), 'store.unreachable', /^write x: nobody listens there$/],
    [ofSystem('ENOTFOUND'), 'store.unreachable', /host is not known/],
    [ofServer(1045), 'store.access-denied', /does not accept this user/],
    [ofServer(1142), 'store.no-right', /no right/],
    [ofServer(1021), 'store.full', /no space left/],
    [ofServer(1114), 'store.full', /no space left/],
    [ofServer(1836), 'store.not-writable', /read-only/],
    [ofServer(1665), 'store.binlog-format', /logs statements/],
    [ofSystem('DEPTH_ZERO_SELF_SIGNED_CERT'), 'store.tls', /TLS/],
    [ofServer(1064), 'store.failed', /as the server says/],
  ] as const) {
    const told = mysqlError(error, 'write x');
    assert.equal(told.code, code);
    assert.match(told.message, text);
    if (code !== 'store.failed') assert.ok(told.hint);
  }
  assert.throws(() => mysqlError(new TypeError('a bug'), 'write x'), TypeError);
});

const options = { skip: whyNoMariadb() ?? false };

function changed(host: DataHost, changes: Partial<Server>): DataHost {
  return {
    ...host,
    writeHosts: host.writeHosts.map((each) => ({ ...each, server: { ...each.server, ...changes } })),
  };
}

test('MysqlSink says why it cannot open, and never the password', options, async (context) => {
  const server = await mariadbServer(context);
  const root = await server.connect({ asRoot: true });
  await root.query(`CREATE USER poor@'127.0.0.1' IDENTIFIED BY 'poor'`);
  root.destroy();
  const host = dataHost('h', [server]);
  const closed = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => closed.once('listening', resolve));
  const free = (closed.address() as { port: number }).port;
  await new Promise((resolve) => closed.close(resolve));
  for (const [changes, code] of [
    [{ port: free }, 'store.unreachable'],
    [{ password: 'wrong-secret' }, 'store.access-denied'],
    [{ user: 'poor', password: 'poor' }, 'store.no-right'],
    [{ host: 'no-such-host.invalid' }, 'store.unreachable'],
    [{ socketPath: '/nowhere/s.sock' }, 'store.unreachable'],
  ] as const) {
    const sink = new MysqlSink(settings([changed(host, changes)]));
    await assert.rejects(sink.open(), (error: MailprocError) => {
      assert.equal(error.code, code, error.message);
      assert.ok(error.hint);
      assert.doesNotMatch(inspect(error, { depth: 9 }), /wrong-secret|test'secret/);
      return true;
    });
    await assert.rejects(sink.write([sampleRecord(1)]), { code: 'store.closed' });
  }
});

test(
  'MysqlSink takes a socket, and goes on after the server ended all connections',
  options,
  async (context) => {
    const server = await mariadbServer(context);
    const root = await server.connect({ asRoot: true });
    await root.query(
      `CREATE USER mailproc@localhost IDENTIFIED BY 'test''secret'; GRANT ALL ON *.* TO mailproc@localhost`,
    );
    const sink = new MysqlSink(
      settings([changed(dataHost('h', [server]), { socketPath: server.socketPath })]),
    );
    await sink.open();
    await sink.write([sampleRecord(1)]);
    await root.query(`KILL USER mailproc@localhost`);
    assert.deepEqual(await sink.write([sampleRecord(1), sampleRecord(2)]), {
      added: 1,
      replaced: 0,
      known: 1,
    });
    await root.query('DROP DATABASE smtp_database');
    assert.deepEqual(await sink.write([sampleRecord(3)]), { added: 1, replaced: 0, known: 0 });
    await sink.close();
    root.destroy();
  },
);
