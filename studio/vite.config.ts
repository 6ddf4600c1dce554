import react from '@vitejs/plugin-react';
import { readFileSync } from 'node:fs';
import { defineConfig, type Plugin } from 'vite';

const gateway = process.env.STUDIO_URL ?? 'http://127.0.0.1:8080';

/** The documents that the console sends, for the gateway that serves it. */
const documents: Plugin = {
  name: 'documents',
  generateBundle() {
    const source = readFileSync('src/api/generated/persisted-documents.json', 'utf8');
    this.emitFile({ type: 'asset', fileName: 'documents.json', source });
  },
};

export default defineConfig({
  plugins: [react(), documents],
  resolve: {
    alias: {
      // The form library names it for its own tests, and would take it into the bundle.
      '@rjsf/validator-ajv8': new URL('src/features/config/validator.ts', import.meta.url).pathname,
    },
  },
  build: {
    target: 'es2022',
    // An inlined file would need a policy that lets data: in.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 900,
  },
  server: {
    proxy: {
      '/graphql': { target: gateway, ws: true },
      '/api': gateway,
      '/hooks': gateway,
    },
  },
});
