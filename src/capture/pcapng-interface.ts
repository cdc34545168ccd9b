/** Interface Description Block of pcapng: link type, snap length and the meaning of time stamps (§4.2). */
import { captureLimits } from '../core/limits.ts';

const InterfaceOption = {
  endOfOptions: 0,
  name: 2,
  timestampResolution: 9,
  timestampOffset: 14,
} as const;

/** Resolutions finer than a nanosecond, and all that are powers of two, need exact integers. */
const nanosecondsPerSecond = 1_000_000_000;

export class PcapngInterface {
  readonly linkType: number;
  /** 0 stands for no limit. */
  readonly snapLength: number;
  readonly name: string;
  /** 10 … 1,000,000,000 for powers of ten, for which plain numbers are exact; else 0. */
  readonly #decimalUnits: number;
  readonly #units: bigint;
  readonly #offsetSeconds: number;
  /** Time of the last `setTime`. */
  seconds = 0;
  nanoseconds = 0;

  constructor(
    linkType: number,
    snapLength: number,
    options: { readonly name: string; readonly resolution: number; readonly offsetSeconds: number },
  ) {
    this.linkType = linkType;
    this.snapLength = snapLength;
    this.name = options.name;
    this.#offsetSeconds = options.offsetSeconds;
    const exponent = options.resolution & 0x7f;
    const isBinary = (options.resolution & 0x80) !== 0;
    this.#units = (isBinary ? 2n : 10n) ** BigInt(exponent);
    this.#decimalUnits = isBinary || exponent > 9 ? 0 : 10 ** exponent;
  }

  /** Converts the 64-bit time stamp of a packet; the result is in `seconds` and `nanoseconds`. */
  setTime(high: number, low: number): void {
    if (this.#decimalUnits === 0) this.#setExactTime(high, low);
    else this.#setDecimalTime(high, low, this.#decimalUnits);
  }

  #setDecimalTime(high: number, low: number, units: number): void {
    let seconds: number;
    let rest: number;
    if (high < 0x200000) {
      // Below 2^53 one division is exact: microseconds up to the year 2255.
      const stamp = high * 0x1_0000_0000 + low;
      seconds = Math.floor(stamp / units);
      rest = stamp - seconds * units;
    } else {
      // Long division in steps of 16 bits, each below 2^46 and so exact.
      const upper = Math.floor(high / units);
      const middle = (high - upper * units) * 0x1_0000 + (low >>> 16);
      const middleQuotient = Math.floor(middle / units);
      const lower = (middle - middleQuotient * units) * 0x1_0000 + (low & 0xffff);
      const lowerQuotient = Math.floor(lower / units);
      seconds = upper * 0x1_0000_0000 + middleQuotient * 0x1_0000 + lowerQuotient;
      rest = lower - lowerQuotient * units;
    }
    this.seconds = seconds + this.#offsetSeconds;
    this.nanoseconds = rest * (nanosecondsPerSecond / units);
  }

  #setExactTime(high: number, low: number): void {
    const stamp = (BigInt(high) << 32n) | BigInt(low);
    const seconds = stamp / this.#units;
    this.seconds = Number(seconds) + this.#offsetSeconds;
    this.nanoseconds = Number(((stamp - seconds * this.#units) * BigInt(nanosecondsPerSecond)) / this.#units);
  }
}

/** Reads the block at `at` of `length` octets; the caller has checked that `length` is at least 20. */
export function readInterfaceDescription(
  buffer: Buffer,
  view: DataView,
  at: number,
  length: number,
  littleEndian: boolean,
): PcapngInterface {
  let name = '';
  let resolution = 6;
  let offsetSeconds = 0;
  const end = at + length - 4;
  // A damaged option ends the list: what was read before it holds.
  for (let option = at + 16; option + 4 <= end; ) {
    const code = view.getUint16(option, littleEndian);
    const valueLength = view.getUint16(option + 2, littleEndian);
    const value = option + 4;
    if (code === InterfaceOption.endOfOptions || value + valueLength > end) break;
    if (code === InterfaceOption.name && valueLength <= captureLimits.interfaceNameBytesMax) {
      name = buffer.toString('utf8', value, value + valueLength);
    } else if (code === InterfaceOption.timestampResolution && valueLength === 1) {
      resolution = view.getUint8(value);
    } else if (code === InterfaceOption.timestampOffset && valueLength === 8) {
      offsetSeconds = Number(view.getBigInt64(value, littleEndian));
    }
    option = value + ((valueLength + 3) & ~3);
  }
  return new PcapngInterface(view.getUint16(at + 8, littleEndian), view.getUint32(at + 12, littleEndian), {
    name,
    resolution,
    offsetSeconds,
  });
}
