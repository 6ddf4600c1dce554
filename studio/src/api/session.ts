/** The token of this tab: pasted by a person, or handed out with the page in embedded mode. */
const KEY = 'studio.token';

function embedded(): string | null {
  const text = document.getElementById('studio-config')?.textContent ?? '';
  try {
    const config = JSON.parse(text) as { token?: string | null };
    return config.token ?? null;
  } catch {
    // The development server of Vite serves the page as it is written.
    return null;
  }
}

const fromPage = embedded();
const listeners = new Set<() => void>();

export function token(): string | null {
  return sessionStorage.getItem(KEY) ?? fromPage;
}

/** Whether leaving means anything: a token that came with the page comes again. */
export function isPasted(): boolean {
  return sessionStorage.getItem(KEY) !== null;
}

export function signIn(value: string): void {
  sessionStorage.setItem(KEY, value.trim().replace(/^Bearer\s+/i, ''));
  listeners.forEach((listener) => listener());
}

export function signOut(): void {
  sessionStorage.removeItem(KEY);
  listeners.forEach((listener) => listener());
}

export function onSession(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
