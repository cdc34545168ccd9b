/**
 * Files of one rotated capture. dumpcap and Wireshark number and date them (`cap_00001_20220128093000.pcapng`),
 * tcpdump numbers them behind the extension (`-C`: `cap.pcap`, `cap.pcap1`) or dates them (`-G`). Of names that
 * tell less (`cap1`, `mail-09.pcap`) the files must tell it, see numbered-files.ts.
 */
import { captureLimits } from '../core/limits.ts';
import { withoutCompression } from './compressed-name.ts';
import { joinNumbered } from './numbered-files.ts';
import type { CaptureFile, CaptureSeries } from './types.ts';

/** A capture and what was seen at its beginning. */
export interface ProbedCapture {
  readonly file: CaptureFile;
  /** Path below the folder that is searched, written with `/`. */
  readonly relativePath: string;
  readonly firstPacketNs: bigint | null;
  /** Time of the last packet that was looked at; the file may go on behind it. */
  readonly seenUntilNs: bigint | null;
  /** Format and interfaces; captures of different interfaces are never one. */
  readonly origin: string;
}

interface RotatedName {
  /** Folder and name without what changes from file to file, with the scheme in front. */
  readonly family: string;
  readonly prefix: string;
  /** Position as the name tells it; compared as numbers. */
  readonly order: bigint;
  /** dumpcap's numbers only grow, up to 99999: a smaller one begins another capture. */
  readonly isCounted: boolean;
  /** Of counted files, when they were begun, as the name tells it. */
  readonly begun: bigint;
}

interface Member extends ProbedCapture {
  readonly name: RotatedName | undefined;
}

const dumpcapName = /^(.*)_(\d{5,})_(\d{14})(\.\w+)?$/s;
/** Wireshark's other order of time and number (`-b nametimenum:2`). */
const timeFirstName = /^(.*)_(\d{14})_(\d{5,})(\.\w+)?$/s;
const tcpdumpNumber = /^(.*\.(?:pcap|cap|pcapng|dmp|dump))(\d*)$/is;
const tcpdumpTime = /^(.*?)(\d{4}[-_]?\d\d[-_]?\d\d[-_T ]?\d\d[-_:.]?\d\d(?:[-_:.]?\d\d)?)(\D*?)(\d{0,4})$/s;

/** Shares `captures` out to series, each in capture order; series are in the order of their first path. */
export function groupIntoSeries(captures: readonly ProbedCapture[]): readonly CaptureSeries[] {
  const families = new Map<string, Member[]>();
  for (const capture of captures) {
    const name = rotatedName(capture.relativePath);
    const key = name === undefined ? `single ${capture.relativePath}` : `${name.family} ${capture.origin}`;
    const family = families.get(key);
    if (family === undefined) families.set(key, [{ ...capture, name }]);
    else family.push({ ...capture, name });
  }
  const chains = [...families.values()].flatMap((family) => chainsOf(family));
  const renamed = joinRenamed(chains);
  const isCounted = (chain: readonly Member[]) => chain[0]?.name?.isCounted === true;
  return [...renamed.filter(isCounted), ...joinNumbered(renamed.filter((chain) => !isCounted(chain)))]
    .sort((one, other) => byText(firstPath(one), firstPath(other)))
    .map((chain) => ({ files: chain.map(({ file }) => file) }));
}

function rotatedName(relativePath: string): RotatedName | undefined {
  const slash = relativePath.lastIndexOf('/') + 1;
  const folder = relativePath.slice(0, slash);
  const name = withoutCompression(relativePath.slice(slash));
  const rotated = (
    scheme: string,
    prefix: string,
    rest: string,
    order: string,
    begun?: string,
  ): RotatedName => {
    const family = `${scheme} ${folder}${prefix}*${rest}`;
    const isCounted = begun !== undefined;
    return { family, prefix, order: BigInt(order), isCounted, begun: BigInt(begun ?? 0) };
  };
  const dumpcap = dumpcapName.exec(name);
  if (dumpcap !== null) {
    return rotated('count', dumpcap[1] ?? '', dumpcap[4] ?? '', dumpcap[2] ?? '0', dumpcap[3] ?? '0');
  }
  const timeFirst = timeFirstName.exec(name);
  if (timeFirst !== null) {
    return rotated('count', timeFirst[1] ?? '', timeFirst[4] ?? '', timeFirst[3] ?? '0', timeFirst[2] ?? '0');
  }
  const dated = tcpdumpTime.exec(name);
  if (dated !== null) {
    const digits = `${dated[2] ?? ''}${(dated[4] ?? '').padStart(4, '0')}`.replaceAll(/\D/g, '');
    return rotated('time', dated[1] ?? '', dated[3] ?? '', digits);
  }
  const numbered = tcpdumpNumber.exec(name);
  if (numbered !== null) return rotated('number', numbered[1] ?? '', '', `0${numbered[2] ?? ''}`);
  return undefined;
}

/** Chains of files that can have been written one after the other, each in capture order. */
function chainsOf(family: readonly Member[]): Member[][] {
  const counted = inCountedOrder(family);
  const chains: Member[][] = [];
  for (const member of counted ?? inCaptureOrder(family)) {
    const last = chains.at(-1);
    const isNext = (member.name?.order ?? 0n) - (last?.at(-1)?.name?.order ?? 0n) === 1n;
    if (counted !== undefined && isNext && last !== undefined) {
      last.push(member);
      continue;
    }
    const chain = chains.slice(-captureLimits.openSeriesMax).findLast((open) => continues(open, member));
    if (chain === undefined) chains.push([member]);
    else chain.push(member);
  }
  return chains;
}

/**
 * Files of which number and time of beginning grow together were written one after the other, whatever the
 * times of their packets are: packets of several queues change places, and clocks are set. Undefined where the
 * names do not tell that.
 */
function inCountedOrder(family: readonly Member[]): readonly Member[] | undefined {
  const byNumber = family.toSorted((one, other) => compare(one.name?.order ?? 0n, other.name?.order ?? 0n));
  const grow = byNumber.every(({ name }, index) => {
    const before = byNumber[index - 1]?.name;
    if (name?.isCounted !== true) return false;
    return before === undefined || (before.order < name.order && before.begun <= name.begun);
  });
  return grow ? byNumber : undefined;
}

/** By the time of the first packet, then by the name. A file without packets stays behind its predecessor. */
function inCaptureOrder(family: readonly Member[]): readonly Member[] {
  const byName = family.toSorted(
    (one, other) =>
      compare(one.name?.order ?? 0n, other.name?.order ?? 0n) || byText(one.relativePath, other.relativePath),
  );
  let before = 0n;
  const timed = byName.map((member) => {
    before = member.firstPacketNs ?? before;
    return { member, begins: before };
  });
  return timed.sort((one, other) => compare(one.begins, other.begins)).map(({ member }) => member);
}

function continues(chain: readonly Member[], next: Member): boolean {
  const last = chain.at(-1);
  if (last === undefined) return false;
  if (next.name?.isCounted === true && !countsOn(last.name?.order ?? 0n, next.name.order)) return false;
  return !overlapsStrongly(last, next);
}

/** dumpcap's numbers have five digits, and 00000 follows 99999; other programs go on with six. */
function countsOn(last: bigint, next: bigint): boolean {
  const wraps = last < 100_000n && last - next > 50_000n;
  return next > last || wraps;
}

/** Files written at the same time are captures of their own: more than half of what was seen of `one`. */
function overlapsStrongly(one: ProbedCapture, next: ProbedCapture): boolean {
  if (one.firstPacketNs === null || one.seenUntilNs === null || next.firstPacketNs === null) return false;
  return (one.seenUntilNs - next.firstPacketNs) * 2n > one.seenUntilNs - one.firstPacketNs;
}

/**
 * A numbered file that was renamed by adding to its name still continues its capture: its number and time
 * follow those of the file before, and one name holds the other.
 */
function joinRenamed(chains: readonly Member[][]): Member[][] {
  const ending = new Map<string, Member[][]>();
  for (const chain of chains) {
    const last = chain.at(-1);
    if (last?.name?.isCounted !== true) continue;
    const key = continuationKey(last, last.name.order + 1n);
    const others = ending.get(key);
    if (others === undefined) ending.set(key, [chain]);
    else others.push(chain);
  }
  const joined = new Set<Member[]>();
  for (const chain of chains) {
    const first = chain[0];
    if (first?.name?.isCounted !== true) continue;
    const before = ending
      .get(continuationKey(first, first.name.order))
      ?.filter((other) => isRenamed(other, first));
    if (before?.length !== 1) continue;
    before[0]?.push(...chain);
    joined.add(chain);
  }
  return chains.filter((chain) => !joined.has(chain));
}

function continuationKey({ relativePath, origin }: Member, order: bigint): string {
  return `${relativePath.slice(0, relativePath.lastIndexOf('/') + 1)} ${order} ${origin}`;
}

function isRenamed(chain: readonly Member[], next: Member): boolean {
  const last = chain.at(-1);
  const one = last?.name?.prefix ?? '';
  const other = next.name?.prefix ?? '';
  if (last === undefined || one === other || !isInserted(one, other)) return false;
  if (last.firstPacketNs === null || next.firstPacketNs === null) return false;
  return last.firstPacketNs <= next.firstPacketNs && !overlapsStrongly(last, next);
}

/** Whether the longer text is the shorter one with something added at one place. */
function isInserted(one: string, other: string): boolean {
  const [shorter, longer] = one.length < other.length ? [one, other] : [other, one];
  let start = 0;
  while (start < shorter.length && shorter[start] === longer[start]) start++;
  return longer.endsWith(shorter.slice(start));
}

function firstPath(chain: readonly Member[]): string {
  return chain[0]?.relativePath ?? '';
}

function compare(one: bigint, other: bigint): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

/** By code units: the same order on every machine. */
function byText(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
