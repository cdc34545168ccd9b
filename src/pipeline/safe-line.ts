/**
 * The last gate before a line of a conversation is shown to anybody: whatever the decoders let pass, no
 * password and nothing that is as good as one leaves it. Only commands that are known to carry no secret are
 * shown with their arguments. Servers repeat in their complaints what they did not understand, a password
 * that was taken for a command too: behind a hidden line such complaints lose their text.
 */
import { explainLimits } from '../core/limits.ts';
import type { MailProtocol, Trace } from '../dialogue/types.ts';

export interface SafeLine {
  readonly text: string;
  /** What the line is one of: a command's name, a reply's code. Of few values. */
  readonly name: string;
}

const hidden: SafeLine = { text: '***', name: '***' };

const mechanism =
  /^(?:PLAIN|LOGIN|CRAM-MD5|DIGEST-MD5|NTLM|GSSAPI|GSS-SPNEGO|XOAUTH2?|OAUTHBEARER|EXTERNAL|ANONYMOUS|KERBEROS_V4|SCRAM-SHA-(?:1|224|256|384|512)(?:-PLUS)?)$/i;

const smtpCommands = new Set(
  'EHLO HELO LHLO MAIL RCPT DATA BDAT RSET NOOP QUIT HELP VRFY EXPN STARTTLS ETRN TURN ATRN XCLIENT XFORWARD'.split(
    ' ',
  ),
);
const pop3Commands = new Set(
  'USER QUIT STAT LIST RETR DELE NOOP RSET TOP UIDL CAPA STLS UTF8 LANG'.split(' '),
);
const imapCommands = new Set(
  (
    'CAPABILITY NOOP LOGOUT STARTTLS SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE LIST LSUB XLIST ' +
    'STATUS APPEND CHECK CLOSE UNSELECT EXPUNGE SEARCH FETCH STORE COPY MOVE SORT THREAD IDLE NAMESPACE ID ENABLE ' +
    'COMPRESS GETQUOTA GETQUOTAROOT GETMETADATA NOTIFY'
  ).split(' '),
);

const imapData = new Set(
  (
    'FETCH EXISTS RECENT EXPUNGE CAPABILITY FLAGS LIST LSUB STATUS SEARCH ESEARCH SORT THREAD ENABLED VANISHED ' +
    'NAMESPACE ID QUOTA QUOTAROOT'
  ).split(' '),
);

/** Complaints about syntax and about logging in, RFC 5321 §4.2.3 and RFC 4954 §6. */
const smtpComplaint = /^(432|454|50\d|53\d)(?: (\d\.\d{1,3}\.\d{1,3}))?(?=\s|$)/;

/** Takes the lines of one conversation in order. */
export class LineGuard {
  readonly #protocol: MailProtocol;
  /** The client's lines are all known to be harmless, and there are some. */
  #isTrusted = false;
  #hasHidden = false;
  /** Tags of commands that were shown. */
  readonly #tags: string[] = [];

  constructor(protocol: MailProtocol) {
    this.#protocol = protocol;
  }

  pass(trace: Trace): SafeLine {
    const text = trace.text.replace(/\s+/g, ' ').trim();
    const line = trace.sender === 'client' ? this.#command(text) : this.#reply(text);
    if (trace.sender === 'client' && line.text.includes('***')) this.#hasHidden = true;
    this.#isTrusted = !this.#hasHidden && (this.#isTrusted || trace.sender === 'client');
    return { text: line.text.slice(0, explainLimits.lineLengthMax), name: line.name };
  }

  #command(text: string): SafeLine {
    switch (this.#protocol) {
      case 'smtp':
        return smtpCommand(text);
      case 'pop3':
        return pop3Command(text);
      case 'imap':
        return this.#imapCommand(text);
    }
  }

  #imapCommand(text: string): SafeLine {
    if (/^DONE$/i.test(text)) return { text, name: 'DONE' };
    const [, tag = '', uid = '', word = '', rest = ''] =
      /^(\S{1,64}) (UID )?([A-Za-z]+)(.*)$/i.exec(text) ?? [];
    const name = word.toUpperCase();
    if (name === 'LOGIN') return this.#tagged(tag, { text: `${tag} LOGIN ***`, name });
    if (name === 'AUTHENTICATE') {
      return this.#tagged(tag, { text: `${tag} AUTHENTICATE ${mechanismIn(rest)}`, name });
    }
    if (!imapCommands.has(name)) return hidden;
    return this.#tagged(tag, { text, name: `${uid.toUpperCase()}${name}` });
  }

  #tagged(tag: string, line: SafeLine): SafeLine {
    this.#tags.push(tag);
    if (this.#tags.length > explainLimits.rememberedTagsMax) this.#tags.shift();
    return line;
  }

  #reply(text: string): SafeLine {
    switch (this.#protocol) {
      case 'smtp':
        return this.#smtpReply(text);
      case 'pop3':
        return this.#pop3Reply(text);
      case 'imap':
        return this.#imapReply(text);
    }
  }

  #smtpReply(text: string): SafeLine {
    const code = /^\d{3}/.exec(text)?.[0];
    if (code === undefined) return hidden;
    // A challenge, of which a password may be guessed.
    if (code === '334') return { text: '334 ***', name: code };
    const complaint = this.#isTrusted ? null : smtpComplaint.exec(text);
    return { text: complaint ? `${complaint[0]} ***` : text, name: code };
  }

  #pop3Reply(text: string): SafeLine {
    if (text.startsWith('+OK')) return { text, name: '+OK' };
    if (/^\+(?: |$)/.test(text)) return { text: '+ ***', name: '+' };
    if (!/^-ERR/i.test(text)) return hidden;
    return { text: this.#isTrusted ? text : `-ERR${responseCode(text.slice(4))} ***`, name: '-ERR' };
  }

  #imapReply(text: string): SafeLine {
    if (/^\+(?: |$)/.test(text)) return { text: this.#isTrusted ? text : '+ ***', name: '+' };
    const [, tag = '', status = '', rest = ''] =
      /^(\S{1,64}) (OK|NO|BAD|BYE|PREAUTH)\b(.*)$/i.exec(text) ?? [];
    if (tag === '') return untagged(text);
    const name = status.toUpperCase();
    const isComplaint = name === 'NO' || name === 'BAD';
    // What was no command is repeated as if it were a tag.
    const isKnown = tag === '*' || this.#tags.includes(tag);
    const shownTag = isKnown ? tag : '***';
    if (!isComplaint || this.#isTrusted) return { text: `${shownTag} ${status}${rest}`, name };
    return { text: `${shownTag} ${status}${responseCode(rest)} ***`, name };
  }
}

function smtpCommand(text: string): SafeLine {
  const [, word = '', rest = ''] = /^([A-Za-z]+)(.*)$/.exec(text) ?? [];
  const name = word.toUpperCase();
  if (name === 'AUTH') return { text: `AUTH ${mechanismIn(rest)}`, name };
  return smtpCommands.has(name) ? { text, name } : hidden;
}

function pop3Command(text: string): SafeLine {
  const [, word = '', rest = ''] = /^([A-Za-z0-9]+)(.*)$/.exec(text) ?? [];
  const name = word.toUpperCase();
  if (name === 'PASS') return { text: 'PASS ***', name };
  if (name === 'APOP') return { text: `APOP ${rest.trim().split(' ')[0] ?? ''} ***`, name };
  if (name === 'AUTH')
    return rest.trim() === '' ? { text: 'AUTH', name } : { text: `AUTH ${mechanismIn(rest)}`, name };
  return pop3Commands.has(name) ? { text, name } : hidden;
}

/** The mechanism, and that something follows it. */
function mechanismIn(rest: string): string {
  const [word = '', next] = rest.trim().split(' ');
  if (!mechanism.test(word)) return '***';
  return next === undefined ? word.toUpperCase() : `${word.toUpperCase()} ***`;
}

/** `[CODE]` in front of a text, RFC 9051 §7.1 and RFC 2449 §8. */
function responseCode(rest: string): string {
  return /^ \[[A-Z0-9-]{1,32}(?:\/[A-Z0-9-]{1,32})?\]/.exec(rest)?.[0] ?? '';
}

/** `* 12 FETCH …`, `* SEARCH …`: data of the mailbox. */
function untagged(text: string): SafeLine {
  const [, word = ''] = /^\* (?:\d+ )?([A-Za-z]{1,16})/.exec(text) ?? [];
  const name = word.toUpperCase();
  if (word === '') return hidden;
  return { text, name: imapData.has(name) ? name : 'other data' };
}
