/** A doubly linked list in order of last use; every operation is O(1) and allocates nothing. */

/** What a member carries for the list; nobody else writes these. */
export interface RecencyLinks<Member> {
  older: Member | undefined;
  newer: Member | undefined;
}

export class RecencyList<Member extends RecencyLinks<Member>> {
  #oldest: Member | undefined;
  #newest: Member | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Oldest first; the list must not change meanwhile. */
  *[Symbol.iterator](): Generator<Member> {
    for (let member = this.#oldest; member !== undefined; member = member.newer) yield member;
  }

  get oldest(): Member | undefined {
    return this.#oldest;
  }

  /** `member` is in no list. */
  add(member: Member): void {
    member.older = this.#newest;
    member.newer = undefined;
    if (this.#newest === undefined) this.#oldest = member;
    else this.#newest.newer = member;
    this.#newest = member;
    this.#size += 1;
  }

  /** `member` is in this list. */
  remove(member: Member): void {
    if (member.older === undefined) this.#oldest = member.newer;
    else member.older.newer = member.newer;
    if (member.newer === undefined) this.#newest = member.older;
    else member.newer.older = member.older;
    member.older = undefined;
    member.newer = undefined;
    this.#size -= 1;
  }

  /** `member` is in this list and was used just now. */
  touch(member: Member): void {
    if (this.#newest === member) return;
    this.remove(member);
    this.add(member);
  }
}
