/**
 * Logging in as MySQL 8 has it by default: `caching_sha2_password`, with a password the server has not cached. There is
 * no MySQL here; a front with this handshake stands before a MariaDB and passes all else on.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html
 */
import assert from 'node:assert/strict';
import { constants, generateKeyPairSync, privateDecrypt, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createConnection } from 'mysql2';
import { openStore } from '../../../src/store/open-store.ts';
import { type MariadbServer, mariadbServer, testUser, whyNoMariadb } from '../../support/mariadb.ts';
import { day, sampleRecord } from '../samples.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const options = { skip: whyNoMariadb() ?? false };
const plugin = 'caching_sha2_password';
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

/** What a front saw of its clients. */
interface Seen {
  readonly passwords: string[];
  /** How each came: in clear text over a socket, else encrypted with the key of the server. */
  readonly ways: ('clear' | 'encrypted')[];
}

/** Listens on a port, or on `path`. */
async function front(
  context: TestContext,
  server: MariadbServer,
  path?: string,
): Promise<Seen & { port: number }> {
  const seen: Seen = { passwords: [], ways: [] };
  const sockets = new Set<Socket>();
  const listener = createServer((client) => {
    sockets.add(client);
    client.on('error', () => client.destroy());
    void serve(client, server, seen, path === undefined ? 'encrypted' : 'clear').catch(() =>
      client.destroy(),
    );
  });
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
  });
  listener.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path });
  await once(listener, 'listening');
  return { ...seen, port: path === undefined ? (listener.address() as AddressInfo).port : 0 };
}

async function serve(
  client: Socket,
  server: MariadbServer,
  seen: Seen,
  way: Seen['ways'][number],
): Promise<void> {
  const { port } = server;
  const backend = createConnection({
    host: '127.0.0.1',
    port,
    ...testUser,
    charset: 'utf8mb4',
    multipleStatements: true,
  });
  backend.on('error', () => {});
  await once(backend, 'connect');
  const { stream, _handshakePacket: handshake } = backend as unknown as {
    stream: Socket;
    _handshakePacket: ServerFlags;
  };
  const scramble = Buffer.from(randomBytes(20).map((octet) => (octet % 94) + 33));
  client.write(packet(0, greeting(scramble, handshake)));
  const answers = packets(client);
  await answers.next();
  // Not in the cache: the password itself, please.
  client.write(packet(2, Buffer.from([1, 4])));
  let { value: answer } = await answers.next();
  let sequence = 4;
  if (way === 'encrypted') {
    assert.deepEqual([...(answer ?? [])], [2], 'the key is asked for');
    const pem = publicKey.export({ type: 'spki', format: 'pem' });
    client.write(packet(4, Buffer.concat([Buffer.from([1]), Buffer.from(pem)])));
    const encrypted = (await answers.next()).value ?? Buffer.alloc(0);
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    answer = privateDecrypt({ key: privateKey, padding }, encrypted).map(
      (octet, index) => octet ^ (scramble[index % scramble.length] ?? 0),
    ) as Buffer;
    sequence = 6;
  }
  const password = Buffer.from(answer ?? [])
    .toString()
    .slice(0, -1);
  seen.passwords.push(password);
  seen.ways.push(way);
  if (password !== testUser.password) {
    client.end(packet(sequence, Buffer.from('\xff\x15\x04#28000Access denied', 'latin1')));
    backend.destroy();
    return;
  }
  stream.removeAllListeners('data');
  client.removeAllListeners('data');
  client.write(packet(sequence, Buffer.from([0, 0, 0, 2, 0, 0, 0])));
  client.pipe(stream);
  stream.pipe(client);
}

function packet(sequence: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUIntLE(payload.length, 0, 3);
  head[3] = sequence;
  return Buffer.concat([head, payload]);
}

/** What the server behind the front can, so that both connections mean the same. */
interface ServerFlags {
  readonly capabilityFlags: number;
  readonly mariadbExtendedCapabilityFlags?: number;
}

function greeting(scramble: Buffer, server: ServerFlags): Buffer {
  // No TLS; by plugins.
  const flags = ((server.capabilityFlags & ~0x800) | 0x8_0000) >>> 0;
  const numbers = Buffer.alloc(18);
  numbers.writeUInt16LE(flags & 0xffff, 0);
  numbers[2] = 45;
  numbers.writeUInt16LE(2, 3);
  numbers.writeUInt16LE(flags >>> 16, 5);
  numbers[7] = 21;
  numbers.writeUInt32LE((server.mariadbExtendedCapabilityFlags ?? 0) >>> 0, 14);
  return Buffer.concat([
    Buffer.from('\x0a8.0.36\0\x01\0\0\0', 'latin1'),
    ...[scramble.subarray(0, 8), Buffer.alloc(1), numbers, scramble.subarray(8), Buffer.alloc(1)],
    Buffer.from(`${plugin}\0`),
  ]);
}

/** Payloads of what the client sends: one at a time, as the handshake goes. */
async function* packets(client: Socket): AsyncGenerator<Buffer> {
  for (;;) {
    const [chunk] = (await once(client, 'data')) as [Buffer];
    yield chunk.subarray(4);
  }
}

async function write(url: string, password: string): Promise<number> {
  const sink = await openStore(url, { environment: { MAILPROC_MYSQL_PASSWORD: password } });
  await sink.open();
  try {
    await sink.write([sampleRecord(1)]);
    return (await sink.tables(day))[0]?.rows ?? 0;
  } finally {
    await sink.close();
  }
}

test(
  'a mysql:// store logs in by caching_sha2_password, its password encrypted over TCP',
  options,
  async (context) => {
    const seen = await front(context, await mariadbServer(context));
    const url = `mysql://${testUser.user}@127.0.0.1:${seen.port}`;
    assert.equal(await write(url, testUser.password), 1);
    assert.deepEqual([...new Set(seen.passwords)], [testUser.password]);
    await assert.rejects(write(url, 'wrong'), { code: 'store.access-denied' });
    assert.deepEqual([...new Set(seen.ways)], ['encrypted']);
  },
);

test('a mysql:// store logs in by caching_sha2_password over a Unix socket', options, async (context) => {
  const path = join(temporaryFolder(context), 'front.sock');
  const seen = await front(context, await mariadbServer(context), path);
  assert.equal(await write(`mysql://${testUser.user}@?socket=${path}`, testUser.password), 1);
  assert.deepEqual([...new Set(seen.ways)], ['clear']);
});
