import { shellQuote } from '../../components/copy';

interface Auth {
  type?: string;
  header?: string;
  prefix?: string;
  encoding?: string;
  username?: string;
}

function authOf(config: unknown): Auth {
  return (config as { connector?: { auth?: Auth } } | undefined)?.connector?.auth ?? {};
}

export function opensToAnybody(config: unknown): boolean {
  return authOf(config).type === 'none';
}

/** How the header is made that the sender must prove itself with; `$SECRET` is for the reader to fill in. */
function proof({ type, header, prefix = '', encoding = 'hex', username = 'user' }: Auth): string[] {
  const digest = (form: string) =>
    form === 'base64'
      ? `$(printf %s "$BODY" | openssl dgst -sha256 -hmac "$SECRET" -binary | base64)`
      : `$(printf %s "$BODY" | openssl dgst -sha256 -hmac "$SECRET" -r | cut -d' ' -f1)`;
  switch (type) {
    case 'github':
      return [`-H "X-Hub-Signature-256: sha256=${digest('hex')}"`];
    case 'hmac_sha256':
      return [`-H "${header ?? 'X-Signature'}: ${prefix}${digest(encoding)}"`];
    case 'shared_secret':
      return [`-H "${header ?? 'X-Webhook-Secret'}: $SECRET"`];
    case 'bearer':
      return ['-H "Authorization: Bearer $SECRET"'];
    case 'basic':
      return [`-u "${username}:$SECRET"`];
    case 'standard_webhooks':
      return [
        '-H "webhook-id: $ID" -H "webhook-timestamp: $NOW"',
        '-H "webhook-signature: v1,$(printf %s "$ID.$NOW.$BODY" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$(printf %s "${SECRET#whsec_}" | base64 -d | od -An -tx1 | tr -d \' \\n\') -binary | base64)"',
      ];
    default:
      return [];
  }
}

/** A command that posts the payload as the sender would. */
export function curlOfHook(path: string, config: unknown, payload: unknown): string {
  const auth = authOf(config);
  const url = `${location.origin}${path}`;
  const body = shellQuote(JSON.stringify(payload ?? {}));
  if (auth.type === 'none' || auth.type === undefined) {
    return `curl ${url} \\\n  -H 'Content-Type: application/json' \\\n  -d ${body}`;
  }
  const head = [
    "SECRET='…'",
    ...(auth.type === 'standard_webhooks' ? ['ID=msg_1 NOW=$(date +%s)'] : []),
    `BODY=${body}`,
  ];
  const lines = [`curl ${url}`, "-H 'Content-Type: application/json'", ...proof(auth), '-d "$BODY"'];
  return `${head.join('\n')}\n${lines.join(' \\\n  ')}`;
}
