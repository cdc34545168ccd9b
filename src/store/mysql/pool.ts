/** Connections to one server, kept for the next who needs one. */
import { MysqlConnection } from './connection.ts';
import type { Server } from './types.ts';

export class Pool {
  readonly server: Server;
  readonly #connectionsMax: number;
  readonly #idle: MysqlConnection[] = [];
  readonly #all = new Set<MysqlConnection>();
  readonly #waiting: (() => void)[] = [];
  #inUse = 0;

  constructor(server: Server, connectionsMax: number) {
    this.server = server;
    this.#connectionsMax = Math.max(1, connectionsMax);
  }

  /** `work` must not keep the connection. One that fails while `work` has it is not used again. */
  async with<Value>(work: (connection: MysqlConnection) => Promise<Value>): Promise<Value> {
    if (this.#inUse >= this.#connectionsMax)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#inUse++;
    try {
      const connection = await this.#connection();
      try {
        return await work(connection);
      } finally {
        if (connection.isUsable) this.#idle.push(connection);
        else this.#all.delete(connection);
      }
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#inUse--;
      else next();
    }
  }

  /** Ends all connections; who has one meets an error. The pool can be used on. */
  drop(reason: Error): void {
    for (const connection of this.#all) connection.destroy(reason);
    this.#all.clear();
    this.#idle.length = 0;
  }

  async #connection(): Promise<MysqlConnection> {
    for (;;) {
      const idle = this.#idle.pop();
      if (idle === undefined) break;
      if (idle.isUsable) return idle;
      this.#all.delete(idle);
    }
    const connection = await MysqlConnection.connect(this.server);
    this.#all.add(connection);
    return connection;
  }
}
