/**
 * What is wrong with the input. Captures and mails are written by strangers, so damage is an
 * ordinary value that is counted and reported; it never throws and never ends a run.
 */

/** Stable codes, `stage.what`: scripts and reports count by them, so a code is never renamed. */
export type AnomalyCode =
  // capture: the file itself
  | 'capture.not-a-capture'
  | 'capture.truncated'
  | 'capture.damaged'
  | 'capture.unsupported'
  | 'capture.unreadable'
  // packet: one frame
  | 'packet.malformed'
  | 'packet.truncated'
  | 'packet.fragments-incomplete'
  | 'packet.fragment-limit'
  | 'packet.nesting-limit'
  // stream: one TCP connection
  | 'stream.gap'
  | 'stream.buffer-limit'
  | 'stream.connection-limit'
  // dialogue: one conversation
  | 'dialogue.line-limit'
  | 'dialogue.message-limit'
  | 'dialogue.queue-limit'
  | 'dialogue.layer-limit'
  | 'dialogue.reply-missing'
  | 'dialogue.resynchronised'
  | 'dialogue.literal-mismatch'
  | 'dialogue.spill-failed'
  | 'dialogue.encrypted'
  | 'dialogue.tls-undecryptable'
  | 'dialogue.deflate-damaged'
  // message: one mail
  | 'message.header-limit'
  | 'message.depth-limit'
  | 'message.part-limit'
  | 'message.parameter-limit'
  | 'message.size-limit'
  | 'message.encoding-damaged'
  | 'message.charset-unknown'
  | 'message.structure-damaged'
  | 'message.tnef-damaged'
  // record: what a mail carried
  | 'record.image-invalid'
  | 'record.image-limit'
  | 'record.attachment-limit'
  | 'record.value-cut';

export interface Anomaly {
  readonly kind: 'anomaly';
  readonly code: AnomalyCode;
  /** Where: a path, `frame 17`, `byte 4096`. Never content of a mail. */
  readonly at: string;
  /** What was found instead of what was expected, for a person. Never content of a mail. */
  readonly detail: string;
}

export function anomaly(code: AnomalyCode, at: string, detail: string): Anomaly {
  return { kind: 'anomaly', code, at, detail };
}
