/**
 * Files of one rotation whose names differ in a number only, that may be anything: `cap`, `cap1` (tcpdump `-C`
 * without an extension), `mail-09.pcap` (`-G` with `%H`), `mail-20220128.pcap` (a file a day). `eth0` and `eth1`
 * are not one capture, so the files must tell it: tcpdump closes one when the first packet of the next has come,
 * and `-C` makes all but the newest equally long.
 */
import type { ProbedCapture } from './capture-series.ts';
import { withoutCompression } from './compressed-name.ts';

/** One is closed within this time of the first packet of the next. */
const closingMs = 2000n;
/** `-C` counts millions of octets, and a file is longer by one packet at most. */
const rotatedBytesMin = 1_000_000;
const packetBytesMax = 262_144 + 16;

/** Chains of files, each in capture order; those that are one are joined. */
export function joinNumbered<Member extends ProbedCapture>(chains: readonly Member[][]): Member[][] {
  const groups = new Map<string, Member[][]>();
  for (const chain of chains) {
    const key = numberedKey(chain[0]);
    groups.set(key, [...(groups.get(key) ?? []), chain]);
  }
  return [...groups.values()].flatMap((group) => (group.length > 1 ? joinGroup(group) : group));
}

/** Folder, name without its last number, and origin. */
function numberedKey(first: ProbedCapture | undefined): string {
  const path = withoutCompression(first?.relativePath ?? '');
  const [, stem = '', , extension = ''] = /^(.*?)(\d*)(\.[a-z]\w*)?$/is.exec(path) ?? [];
  return `${stem}*${extension} ${first?.origin}`;
}

function joinGroup<Member extends ProbedCapture>(group: readonly Member[][]): Member[][] {
  const inOrder = group.toSorted((one, other) => (beginOf(one) < beginOf(other) ? -1 : 1));
  const isEven = group.every(({ length }) => length === 1) && isCutBySize(inOrder.map((chain) => chain[0]));
  const joined: Member[][] = [];
  for (const chain of inOrder) {
    const before = joined.at(-1);
    if (before !== undefined && (isEven || isClosedBy(before.at(-1), chain[0]))) before.push(...chain);
    else joined.push([...chain]);
  }
  return joined;
}

function beginOf(chain: readonly ProbedCapture[]): bigint {
  return chain[0]?.firstPacketNs ?? 0n;
}

function isClosedBy(one: ProbedCapture | undefined, next: ProbedCapture | undefined): boolean {
  if (one === undefined || next === undefined || next.firstPacketNs === null) return false;
  const distance = next.firstPacketNs / 1_000_000n - BigInt(one.file.modifiedMs);
  return distance >= -closingMs && distance <= closingMs;
}

/** `files` are in the order of time. Of two files nothing can be told, but where one has no number. */
function isCutBySize(files: readonly (ProbedCapture | undefined)[]): boolean {
  const [newest] = files.slice(-1);
  const finished = files.slice(0, -1);
  const isBase = finished.some((each) => !/\d$/.test(each?.relativePath ?? ''));
  if (finished.length < 2 && !isBase) return false;
  const sizes = finished.map((each) => each?.file.bytes ?? 0);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const isOrdered = files.every((each, index) => index === 0 || isBehind(files[index - 1], each));
  const isNoLonger = (newest?.file.bytes ?? 0) <= most;
  return isOrdered && isNoLonger && least >= rotatedBytesMin && most - least <= packetBytesMax;
}

/** Files written at the same time are captures of their own. */
function isBehind(one: ProbedCapture | undefined, next: ProbedCapture | undefined): boolean {
  return (one?.seenUntilNs ?? null) !== null && (one?.seenUntilNs ?? 0n) <= (next?.firstPacketNs ?? -1n);
}
