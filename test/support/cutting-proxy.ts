/** Stands between a MySQL client and its server, and cuts the line at a COMMIT: with the answer or before it. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export type Loss =
  /** The server commits, the client never hears of it. */
  | 'answer'
  /** The server never hears of it. */
  | 'commit';

export interface CuttingProxy {
  readonly port: number;
  /** Of the COMMITs to come, in their order: what gets lost. */
  readonly losses: (Loss | 'nothing')[];
  /** How many were lost. */
  cuts(): number;
}

/** The end of a COM_QUERY, alone or behind another statement: https://mariadb.com/kb/en/com_query/. */
const commits = ['\x03COMMIT', '; COMMIT'].map((text) => Buffer.from(text, 'latin1'));

export async function cuttingProxy(context: TestContext, serverPort: number): Promise<CuttingProxy> {
  const losses: (Loss | 'nothing')[] = [];
  const sockets = new Set<Socket>();
  let cuts = 0;
  const listener = createServer((client) => {
    const server = connect(serverPort, '127.0.0.1');
    let isAnswerLost = false;
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', end);
      socket.on('close', end);
    }
    client.on('data', (octets) => {
      const loss = commits.some((commit) => octets.subarray(-8).includes(commit))
        ? losses.shift()
        : undefined;
      if (loss === 'commit') {
        cuts++;
        end();
        return;
      }
      if (loss === 'answer') isAnswerLost = true;
      server.write(octets);
    });
    server.on('data', (octets) => {
      if (isAnswerLost) {
        cuts++;
        end();
      } else client.write(octets);
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
  });
  return { port: (listener.address() as AddressInfo).port, losses, cuts: () => cuts };
}
