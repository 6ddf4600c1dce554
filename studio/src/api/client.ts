import type { TypedDocumentString } from './generated/graphql';
import { token } from './session';

export interface Problem {
  pointer: string;
  message: string;
}

/** An error as the API says it: a stable code, what is wrong where, and the id to quote. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly problems: Problem[] = [],
    readonly requestId?: string,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

interface Answer<T> {
  data?: T | null;
  errors?: { message: string; extensions?: { code?: string; problems?: Problem[]; requestId?: string } }[];
}

export function toApiError(error: NonNullable<Answer<unknown>['errors']>[number]): ApiError {
  const { code = 'INTERNAL', problems = [], requestId } = error.extensions ?? {};
  return new ApiError(code, error.message, problems, requestId);
}

/** What is sent for a document: its hash, where the gateway that serves this page knows the text by it. */
export function operation<T, V>(document: TypedDocumentString<T, V>, variables: unknown) {
  const hash = document.__meta__?.hash as string | undefined;
  return import.meta.env.PROD && hash
    ? { query: '', variables, extensions: { persistedQuery: { version: 1, sha256Hash: hash } } }
    : { query: document.toString(), variables };
}

/** One query or mutation. */
export async function request<T, V>(
  document: TypedDocumentString<T, V>,
  ...[variables]: V extends Record<string, never> ? [] : [V]
): Promise<T> {
  const bearer = token();
  let response: Response;
  try {
    response = await fetch('/graphql', {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        Accept: 'application/graphql-response+json',
        'X-Studio-Client': 'console',
        ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}),
      },
      body: JSON.stringify(operation(document, variables)),
    });
  } catch {
    throw new ApiError('UNAVAILABLE', 'the server cannot be reached; check that it runs, then try again');
  }
  const answer = (await response.json().catch(() => ({}))) as Answer<T>;
  const [error] = answer.errors ?? [];
  if (error) throw toApiError(error);
  if (!answer.data) throw new ApiError('INTERNAL', `the server answered ${response.status} without data`);
  return answer.data;
}
