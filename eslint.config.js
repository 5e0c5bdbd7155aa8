import neostandard from 'neostandard'

export default [
  // Prettier formats.
  ...neostandard({ ts: true, noStyle: true, ignores: ['dist', 'node_modules', '.tap', 'test/clients/ts'] }),
  {
    files: ['**/*.ts', '**/*.tsx'],
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['*.js'] } } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // "void f()" says that f never rejects.
      'no-void': ['error', { allowAsStatement: true }],
      'no-return-assign': 'off',
      // A schema and its type share their name.
      '@typescript-eslint/no-redeclare': 'off'
    }
  },
  {
    // A handler of an event that nobody waits for: () => void f().
    files: ['console/**/*.{ts,tsx}'],
    rules: { 'no-void': 'off' }
  },
  {
    files: ['src/**/*.ts', 'routes/**/*.ts', 'schemas/**/*.ts'],
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      'max-params': ['error', 4],
      complexity: ['error', 15]
    }
  }
]
