/** Records for the tests of stores. */
import type { MailProtocol } from '../../src/dialogue/types.ts';
import type { MailColumns, MailDetail, MailRecord } from '../../src/record/types.ts';

export const day = '2022-01-28';

export interface RecordChanges {
  readonly protocol?: MailProtocol;
  readonly columns?: Partial<MailColumns>;
  readonly detail?: Partial<MailDetail>;
}

/** `number` makes the key. */
export function sampleRecord(number: number, changes: RecordChanges = {}): MailRecord {
  const protocol = changes.protocol ?? 'smtp';
  return {
    protocol,
    columns: {
      insert_time: day,
      timestamp: '2022-01-28 09:30:00',
      sport: 49152,
      dport: 25,
      source_ip: '192.0.2.1',
      target_ip: '2001:db8::25',
      len: 1500,
      ttl: 64,
      host_name: 'client.example',
      mail_from: 'alice@example.org',
      mail_to: 'bob@example.org,carol@example.org',
      x_mail: null,
      mail_subject: `mail ${number}`,
      mail_priority: 3,
      message_id: `${number}@example.org`,
      mail_content: '你好\n',
      file_path: 'captures/20220128.pcapng',
      image_sign: 0,
      parse_sign: 1,
      ...changes.columns,
    },
    detail: {
      protocol,
      direction: 'submitted',
      method: 'DATA',
      raw_sha256: null,
      raw_size: 1000,
      complete: true,
      missing_bytes: 0,
      missing: [],
      accepted: true,
      envelope_from: 'alice@example.org',
      envelope_to: ['bob@example.org'],
      cc: [],
      reply_to: [],
      date: null,
      user: null,
      layer: 'plain',
      encrypted: null,
      images: [],
      attachments: [],
      anomalies: [],
      first_frame: 1,
      last_frame: 9,
      mailbox: null,
      uid: null,
      mail_key: number.toString(16).padStart(32, '0'),
      ...changes.detail,
    },
  };
}

/** The mail of `sampleRecord(number)` as far as a damaged capture gave it. */
export function incompleteRecord(number: number, rawSize: number, changes: RecordChanges = {}): MailRecord {
  return sampleRecord(number, {
    ...changes,
    columns: { parse_sign: 0, mail_subject: `part of ${rawSize}`, ...changes.columns },
    detail: { complete: false, raw_size: rawSize, missing_bytes: 1, ...changes.detail },
  });
}
