import neostandard from 'neostandard'

export default [
  ...neostandard({ ts: true, ignores: ['dist', 'node_modules', '.tap'] }),
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['*.js'] } } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      // "void f()" says that f never rejects.
      'no-void': ['error', { allowAsStatement: true }],
      'no-return-assign': 'off',
      '@stylistic/object-property-newline': 'off',
      // A schema and its type share their name.
      '@typescript-eslint/no-redeclare': 'off'
    }
  }
]
