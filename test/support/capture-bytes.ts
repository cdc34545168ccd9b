/** Writes captures byte by byte, in either byte order, also wrong ones. */

export interface ByteOrder {
  readonly littleEndian: boolean;
}

/** Numbers of a given width in one byte order. */
export class ByteWriter {
  readonly #littleEndian: boolean;

  constructor({ littleEndian }: ByteOrder) {
    this.#littleEndian = littleEndian;
  }

  u16(...values: readonly number[]): Buffer {
    return this.#each(values, 2, (view, at, value) => view.setUint16(at, value, this.#littleEndian));
  }

  u32(...values: readonly number[]): Buffer {
    return this.#each(values, 4, (view, at, value) => view.setUint32(at, value, this.#littleEndian));
  }

  i64(value: bigint): Buffer {
    const bytes = Buffer.alloc(8);
    new DataView(bytes.buffer, bytes.byteOffset).setBigInt64(0, value, this.#littleEndian);
    return bytes;
  }

  #each(
    values: readonly number[],
    width: number,
    set: (view: DataView, at: number, value: number) => void,
  ): Buffer {
    const bytes = Buffer.alloc(values.length * width);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    values.forEach((value, index) => {
      set(view, index * width, value);
    });
    return bytes;
  }
}

export interface OptionBytes {
  readonly code: number;
  readonly value: Uint8Array;
}

/** Blocks of pcapng, draft-ietf-opsawg-pcapng. */
export class PcapngWriter {
  readonly bytes: ByteWriter;

  constructor(order: ByteOrder) {
    this.bytes = new ByteWriter(order);
  }

  block(type: number, ...body: readonly Uint8Array[]): Buffer {
    const content = padded(Buffer.concat(body));
    const length = this.bytes.u32(content.length + 12);
    return Buffer.concat([this.bytes.u32(type), length, content, length]);
  }

  section(version: readonly [number, number] = [1, 0]): Buffer {
    const unknownLength = this.bytes.i64(-1n);
    return this.block(0x0a0d0d0a, this.bytes.u32(0x1a2b3c4d), this.bytes.u16(...version), unknownLength);
  }

  interface(linkType = 1, snapLength = 0, options: readonly OptionBytes[] = []): Buffer {
    const end = options.length === 0 ? [] : [this.bytes.u32(0)];
    const list = options.map(({ code, value }) =>
      Buffer.concat([this.bytes.u16(code, value.length), padded(value)]),
    );
    return this.block(1, this.bytes.u16(linkType, 0), this.bytes.u32(snapLength), ...list, ...end);
  }

  enhanced(time: bigint, data: Uint8Array, interfaceId = 0, originalLength = data.length): Buffer {
    const high = Number(time >> 32n);
    const low = Number(time & 0xffff_ffffn);
    return this.block(6, this.bytes.u32(interfaceId, high, low, data.length, originalLength), padded(data));
  }

  obsolete(time: bigint, data: Uint8Array, interfaceId = 0): Buffer {
    const high = Number(time >> 32n);
    const low = Number(time & 0xffff_ffffn);
    const lengths = this.bytes.u32(high, low, data.length, data.length);
    return this.block(2, this.bytes.u16(interfaceId, 7), lengths, padded(data));
  }

  simple(originalLength: number, data: Uint8Array): Buffer {
    return this.block(3, this.bytes.u32(originalLength), data);
  }

  secrets(type: number, text: string): Buffer {
    return this.block(10, this.bytes.u32(type, Buffer.byteLength(text)), Buffer.from(text));
  }
}

export interface PcapRecord {
  readonly seconds: number;
  readonly fraction: number;
  readonly data: Uint8Array;
  readonly originalLength?: number;
}

/** A pcap file with the given magic; `extra` stands behind each record header. */
export function pcapFile(
  order: ByteOrder,
  magic: number,
  records: readonly PcapRecord[],
  options: {
    readonly linkType?: number;
    readonly version?: readonly [number, number];
    readonly extra?: Buffer;
  } = {},
): Buffer {
  const write = new ByteWriter(order);
  const version = write.u16(...(options.version ?? [2, 4]));
  const header = [write.u32(magic), version, write.u32(0, 0, 262_144, options.linkType ?? 1)];
  const body = records.flatMap(({ seconds, fraction, data, originalLength }) => [
    write.u32(seconds, fraction, data.length, originalLength ?? data.length),
    options.extra ?? Buffer.alloc(0),
    data,
  ]);
  return Buffer.concat([...header, ...body]);
}

/** `length` octets that differ from packet to packet. */
export function someBytes(length: number, seed = 1): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 7 + seed * 31 + 65) & 0xff));
}

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}
