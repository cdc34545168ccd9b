/**
 * The table each mail goes to when it may be in another one: where it is now, what is to be written down about it,
 * and the moves from one data node to another, which no single transaction can do. Such a move is written down
 * first; whoever meets it, after a kill or at the same time, does what is left of it.
 */
import { dayOfTable } from '../row.ts';
import { groupBy, type Mail } from './batch.ts';
import { countLeft, keysOf, placed, toLeaving, versionsOf } from './chunk.ts';
import type { DataNodes, OpenNode, Work } from './data-nodes.ts';
import { type KnownRow, keyOctets } from './keys.ts';
import { checkPlaces, Misplaced, type Place, readPlaces, vacate, writePlaces } from './placement.ts';
import type { MailProtocol } from './types.ts';

export interface MailPlacesOptions {
  /** Runs `work` on a data node whose tables beside the day tables are there. */
  readonly on: <Value>(node: OpenNode, work: Work<Value>) => Promise<Value>;
  /** Which of `keys` are in the table of a day; empty where there is none. */
  readonly known: (
    protocol: MailProtocol,
    day: string,
    keys: readonly string[],
  ) => Promise<ReadonlyMap<string, KnownRow>>;
}

export class MailPlaces {
  readonly #nodes: DataNodes;
  readonly #options: MailPlacesOptions;

  constructor(nodes: DataNodes, options: MailPlacesOptions) {
    this.#nodes = nodes;
    this.#options = options;
  }

  /**
   * Looks where mails are. `open` must be written, and all that is needed for it is set; `again` are those that
   * others were just about to move.
   */
  async find(mails: readonly Mail[]): Promise<{ open: readonly Mail[]; again: readonly Mail[] }> {
    const places = await this.#places(mails);
    const again: Mail[] = [];
    for (const mail of mails) {
      const place = places.get(mail);
      const { insert_time: day } = mail.best.columns;
      Object.assign(mail, { day, place, known: undefined, isMoving: false, leaving: undefined });
      if (place?.from !== undefined && !(await this.#isFinished(mail, place))) again.push(mail);
    }
    const settledMails = mails.filter((mail) => !again.includes(mail));
    await this.#look(settledMails);
    return {
      open: settledMails.filter(({ known, rank }) => known === undefined || known.rank < rank),
      again,
    };
  }

  async #isFinished(mail: Mail, place: Place): Promise<boolean> {
    try {
      await this.#finish(mail, place);
      return true;
    } catch (error) {
      if (error instanceof Misplaced) return false;
      throw error;
    }
  }

  async #look(mails: readonly Mail[]): Promise<void> {
    const isIn = (mail: Mail): string | undefined => mail.place?.day ?? mail.ownDay;
    for (const some of groupBy(mails, (mail) => `${mail.protocol} ${isIn(mail)}`).values()) {
      const [first] = some;
      const day = first === undefined ? undefined : isIn(first);
      const known =
        first === undefined || day === undefined
          ? new Map<string, KnownRow>()
          : await this.#options.known(first.protocol, day, keysOf(some));
      for (const mail of some) this.#learn(mail, day, known.get(mail.key));
    }
  }

  /** Before mails are written into a table of `node`: what must be durable elsewhere. Throws `Misplaced`. */
  async claim(node: OpenNode, mails: readonly Mail[]): Promise<void> {
    const moving = mails.filter((mail) => mail.isMoving && !this.leavesHere(node, mail));
    for (const [owner, some] of groupBy(moving, (mail) => this.#ownerOf(mail))) {
      await this.#claimOn(owner, some);
      const octets = some.length * 500;
      owner.tail.keep({ mails: some.length, octets, again: () => this.#claimOn(owner, some) });
    }
  }

  /** After mails were written into a table of another data node than the one they leave. */
  async leave(node: OpenNode, mails: readonly Mail[]): Promise<void> {
    for (const mail of mails) {
      const { leaving, place } = mail;
      if (!mail.isMoving || place === undefined || leaving === undefined) continue;
      if (this.leavesHere(node, mail) || this.#leavesWithClaim(mail)) continue;
      const from = { ...place, from: leaving.day };
      await this.#finish(mail, from);
      const again = () => this.#finish(mail, from);
      this.#nodes.of(leaving.shard.dataNode).tail.keep({ mails: 1, octets: 5000, again });
    }
  }

  /** Whether its place, the table it leaves and the one it goes to on `node` are all there. */
  leavesHere(node: OpenNode, mail: Mail): boolean {
    if (!mail.isMoving || this.#ownerOf(mail) !== node) return false;
    return mail.leaving === undefined || this.#nodes.of(mail.leaving.shard.dataNode) === node;
  }

  /** It has no row there. */
  #leavesWithClaim(mail: Mail): boolean {
    const { leaving } = mail;
    if (leaving === undefined) return true;
    return leaving.row === undefined && this.#nodes.of(leaving.shard.dataNode) === this.#ownerOf(mail);
  }

  async #claimOn(owner: OpenNode, mails: readonly Mail[]): Promise<void> {
    await this.#options.on(owner, (connection) =>
      connection.transaction(async () => {
        const withClaim = mails.filter((mail) => this.#leavesWithClaim(mail));
        const later = mails.filter((mail) => !this.#leavesWithClaim(mail));
        await writePlaces(connection, [
          ...placed(withClaim),
          ...later.flatMap(({ key, place, leaving }) =>
            place === undefined ? [] : [{ key, place: { ...place, from: leaving?.day } }],
          ),
        ]);
        const left = withClaim.filter(({ leaving }) => leaving !== undefined);
        for (const [table, some] of groupBy(left, (mail) => mail.leaving?.shard.table ?? '')) {
          await vacate(connection, table, some.map(toLeaving));
        }
        for (const [day, some] of groupBy(mails, (mail) => mail.day)) {
          await checkPlaces(connection, day, keysOf(some), versionsOf(some));
        }
      }),
    );
  }

  /**
   * The rest of a move that was written down: all of it may have been done, or be done by others now. Where the
   * table it leaves has more of the mail, nothing has come yet, or more came since: then it goes back.
   */
  async #finish(mail: Mail, place: Place): Promise<void> {
    const [left, entered] = [await this.#rowOn(mail, place.from), await this.#rowOn(mail, place.day)];
    if (place.from === undefined || left === undefined || left.rank <= (entered?.rank ?? -1)) {
      return this.#endMove(mail, place, left);
    }
    const back = { day: place.from, version: place.version + 1, from: place.day };
    await this.#options.on(this.#ownerOf(mail), (connection) =>
      connection.transaction(async () => {
        await writePlaces(connection, [{ key: mail.key, place: back }]);
        await checkPlaces(connection, back.day, [mail.key], new Map([[mail.key, back.version]]));
      }),
    );
    await this.#endMove(mail, back, entered);
  }

  /** `row`: what it leaves behind. */
  async #endMove(mail: Mail, place: Place, row: KnownRow | undefined): Promise<void> {
    const { key, protocol } = mail;
    const owner = this.#ownerOf(mail);
    const shard = place.from === undefined ? undefined : this.#nodes.shardIfAny(protocol, place.from);
    if (shard !== undefined) {
      const node = this.#nodes.of(shard.dataNode);
      await this.#options.on(node, (connection) =>
        connection.transaction(async () => {
          if (node !== owner) await writePlaces(connection, [{ key, place: { ...place, from: undefined } }]);
          await checkPlaces(connection, place.day, [key], new Map([[key, place.version]]));
          await vacate(connection, shard.table, [{ key, row }]);
          await countLeft(connection, { ...mail, leaving: { day: place.from ?? '', shard, row }, place });
        }),
      );
    }
    const sql = 'UPDATE mailproc_place SET from_day = NULL WHERE mail_key = ? AND version = ?';
    await this.#options.on(owner, (connection) => connection.run(sql, [keyOctets(key), place.version]));
  }

  /** undefined where the mail is not in that very table. */
  async #rowOn({ protocol, key }: Mail, day: string | undefined): Promise<KnownRow | undefined> {
    if (day === undefined) return undefined;
    const row = (await this.#options.known(protocol, day, [key])).get(key);
    return row?.table === this.#nodes.shardIfAny(protocol, day)?.table ? row : undefined;
  }

  /** By owner: those that have one. */
  async #places(mails: readonly Mail[]): Promise<Map<Mail, Place>> {
    const found = new Map<Mail, Place>();
    for (const [owner, some] of groupBy(mails, (mail) => this.#ownerOf(mail))) {
      const places = await this.#options.on(owner, (connection) => readPlaces(connection, keysOf(some)));
      for (const mail of some) {
        const place = places.get(mail.key);
        if (place !== undefined) found.set(mail, place);
      }
    }
    return found;
  }

  /** `day`: where it was looked for; undefined where there is no such day. */
  #learn(mail: Mail, day: string | undefined, row: KnownRow | undefined): void {
    const isIn = row === undefined ? day : (dayOfTable(row.table) ?? day);
    mail.known = row;
    if (row !== undefined && !mail.triedIds.has(row.id)) mail.rankBefore ??= row.rank;
    if (isIn === mail.day) return;
    if (row !== undefined && row.rank >= mail.rank) return;
    const shard = isIn === undefined ? undefined : this.#nodes.shardIfAny(mail.protocol, isIn);
    mail.isMoving = true;
    mail.place = { day: mail.day, version: (mail.place?.version ?? 0) + 1, from: undefined };
    mail.leaving = shard === undefined || isIn === undefined ? undefined : { day: isIn, shard, row };
    mail.known = undefined;
    if (row !== undefined) mail.id = Number.isSafeInteger(Number(row.id)) ? Number(row.id) : BigInt(row.id);
  }

  /** The data node of the mail's own day has its place; the home where there is no such day. */
  #ownerOf({ protocol, ownDay }: Mail): OpenNode {
    const shard = ownDay === undefined ? undefined : this.#nodes.shardIfAny(protocol, ownDay);
    return shard === undefined ? this.#nodes.home() : this.#nodes.of(shard.dataNode);
  }
}
