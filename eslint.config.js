// Lint rules: type-checked TypeScript, and the habits of CONTRIBUTING.md that a machine can hold us to.
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

const clockOnly =
  'Time and chance are injected: only src/util/clock.ts may call this, so that tests can hold the clock still.';

export default defineConfig(
  { ignores: ['dist/**', 'node_modules/**'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['eslint.config.js'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/prefer-literal-enum-member': 'off',
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  {
    files: ['src/**/*.ts', 'adapters/**/*.ts'],
    ignores: ['src/util/clock.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: clockOnly },
        { object: 'performance', property: 'now', message: clockOnly },
        { object: 'Math', property: 'random', message: clockOnly },
        { object: 'process', property: 'hrtime', message: clockOnly },
      ],
      'no-restricted-globals': [
        'error',
        { name: 'setTimeout', message: clockOnly },
        { name: 'setInterval', message: clockOnly },
        { name: 'clearTimeout', message: clockOnly },
        { name: 'clearInterval', message: clockOnly },
        { name: 'performance', message: clockOnly },
      ],
      'no-restricted-imports': [
        'error',
        {
          paths: [
            { name: 'node:timers', message: clockOnly },
            { name: 'node:timers/promises', message: clockOnly },
            { name: 'node:perf_hooks', importNames: ['performance'], message: clockOnly },
          ],
        },
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      'no-console': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/require-await': 'off',
    },
  },
);
