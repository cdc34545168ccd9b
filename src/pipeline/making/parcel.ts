/** Mails on their way to a thread that makes them: all their octets in one block that changes hands, uncopied. */
import type { RawMessage } from '../../dialogue/types.ts';
import { type PackedRecords, packRecords, unpackRecords } from '../../store/pack-records.ts';
import { FlatReader, readFound, writeFound } from './flat-values.ts';
import type { FoundMail, MadeMail } from './mail-maker.ts';

export interface Parcel {
  /** Those of the mails one behind the other from its beginning on; it may be longer. */
  readonly octets: ArrayBuffer;
  /** Of each mail the number of its octets, and what the dialogue told of it. */
  readonly values: readonly unknown[];
}

/** What came of a parcel. */
export interface MadeParcel {
  /** The block of the parcel, which is free again. */
  readonly octets: ArrayBuffer;
  readonly records: PackedRecords;
  /** Of each mail, beside its record. */
  readonly others: readonly Omit<MadeMail, 'record'>[];
}

/** Copies the mails' octets into `octets`, which has room for them, and releases them. */
export function packParcel(mails: readonly RawMessage[], octets: ArrayBuffer): Parcel {
  const block = Buffer.from(octets);
  const values: unknown[] = [];
  let at = 0;
  for (const mail of mails) {
    const { length } = mail.octets;
    mail.octets.copy(block, at, 0, length);
    mail.octets.release();
    at += length;
    values.push(length);
    writeFound(values, mail);
  }
  return { octets, values };
}

/** `bytes` are views of the parcel's octets. */
export function unpackParcel({ octets, values }: Parcel): { found: FoundMail; bytes: Buffer }[] {
  const mails: { found: FoundMail; bytes: Buffer }[] = [];
  const reader = new FlatReader(values);
  for (let at = 0; !reader.isAtEnd; ) {
    const length: number = reader.next();
    mails.push({ bytes: Buffer.from(octets, at, length), found: readFound(reader) });
    at += length;
  }
  return mails;
}

export function packMade(mails: readonly MadeMail[], octets: ArrayBuffer): MadeParcel {
  const records = packRecords(mails.map(({ record }) => record));
  return {
    octets,
    records,
    others: mails.map(({ record: _, ...other }) => (isUsual(other) ? usual : other)),
  };
}

export function unpackMade({ records, others }: MadeParcel): MadeMail[] {
  return unpackRecords(records).map((record, index) => ({ ...(others[index] ?? usual), record }));
}

/** Of nearly all mails without images: one object for all of them is copied once. */
const usual: Omit<MadeMail, 'record'> = { anomalies: [], imagesFound: 0, imagesWritten: 0 };

function isUsual({ anomalies, imagesFound }: Omit<MadeMail, 'record'>): boolean {
  return anomalies.length === 0 && imagesFound === 0;
}

/** Consecutive mails in lists of up to `octetsMax` octets and `mailsMax` mails; a larger mail is alone. */
export function* parcelsOf(
  mails: readonly RawMessage[],
  octetsMax: number,
  mailsMax: number,
): Generator<{ readonly mails: readonly RawMessage[]; readonly octets: number }> {
  let parcel: RawMessage[] = [];
  let octets = 0;
  for (const mail of mails) {
    const { length } = mail.octets;
    if (parcel.length > 0 && (octets + length > octetsMax || parcel.length >= mailsMax)) {
      yield { mails: parcel, octets };
      [parcel, octets] = [[], 0];
    }
    parcel.push(mail);
    octets += length;
  }
  if (parcel.length > 0) yield { mails: parcel, octets };
}
