// Fails when what a first visit loads grows beyond its budget.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const BUDGET = 500_000;
const page = readFileSync('dist/index.html', 'utf8');
const files = [...page.matchAll(/(?:src|href)="\/(assets\/[^"]+\.(?:js|css))"/g)].map((match) => match[1]);
const size = files.reduce((sum, file) => sum + gzipSync(readFileSync(`dist/${file}`)).length, 0);
console.log(
  `first load: ${(size / 1000).toFixed(0)} kB gzip in ${files.length} files (budget ${BUDGET / 1000} kB)`,
);
if (files.length === 0 || size > BUDGET) {
  console.error('beyond the budget: load what a first visit does not need with import()');
  process.exit(1);
}
