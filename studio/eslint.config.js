import js from '@eslint/js';
import hooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist', 'src/api/generated', 'test-results'] },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ['*.js', '*.cjs', 'scripts/*.mjs'] } },
    },
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true, varsIgnorePattern: '^_$' }],
      'max-lines': ['error', 450],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }],
    },
  },
  { files: ['src/**'], ...hooks.configs.flat.recommended },
  { files: ['*.js', '*.cjs', 'scripts/*.mjs'], ...tseslint.configs.disableTypeChecked },
  {
    files: ['*.cjs', 'scripts/*.mjs'],
    languageOptions: { globals: { module: 'writable', console: 'readonly', process: 'readonly' } },
  },
);
