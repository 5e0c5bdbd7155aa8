import type { Tool } from './tools.js'

/** What the clients of a language share. */
export interface Language {
  /** The folder with their programs, what these end with, and the name of the blocks on the page. */
  name: 'ts' | 'py' | 'go' | 'java'
  /** What else of the folder is needed. */
  files: readonly string[]
  /** Where the program belongs, and the one that the page shows. */
  program: string
  page: string
  /** Commands that put in place what is installed, in the environment of the tools. */
  prepare: string
  /** Compiles the generated client and the programs, as strictly as the language can. */
  compile: string
  /** Runs a program. */
  run: (file: string) => string
}

export interface Generator {
  /** Its program is the file of this name, its blocks on the page those with this name. */
  name: string
  version: string
  language: Language
  tools: readonly Tool[]
  /** Instead of the language's. */
  compile?: string
  /** What it says that the document is not to blame for. */
  remarks?: readonly { text: RegExp; reason: string }[]
}

const npm: Tool = {
  name: 'npm',
  needs: ['npm'],
  files: ['ts/package.json'],
  install: 'npm install --no-audit --no-fund --ignore-scripts --loglevel=error',
  bin: 'node_modules/.bin'
}

const python: Tool = {
  name: 'python',
  needs: ['python3'],
  files: ['py/requirements.txt'],
  install: 'python3 -m venv . && bin/pip install --quiet --disable-pip-version-check -r requirements.txt'
}

/** Its package on PyPI has the Java program. */
const openapiGenerator: Tool = {
  name: 'openapi_generator',
  needs: ['python3', 'java'],
  install:
    'python3 -m venv . && bin/pip install --quiet --disable-pip-version-check openapi-generator-cli==7.25.0 && bin/openapi-generator-cli version'
}

const ts: Language = {
  name: 'ts',
  files: ['package.json', 'tsconfig.json'],
  program: 'program.ts',
  page: 'page.ts',
  prepare: 'ln -s "$npm/node_modules" node_modules',
  compile: 'tsc -p .',
  run: file => `node --import tsx ${file}`
}

const py: Language = {
  name: 'py',
  files: ['mypy.ini', 'openapi-generator-python.ini'],
  program: 'program.py',
  page: 'page.py',
  prepare: 'true',
  compile: 'mypy *.py zeek_cluster',
  run: file => `python ${file}`
}

const goTools: Tool = {
  name: 'go',
  needs: ['go'],
  files: ['go/go.mod', 'go/go.sum'],
  install: `export GOBIN="$PWD/bin"
go mod download
go install github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2
go install github.com/ogen-go/ogen/cmd/ogen@v1.25.0`
}

const go: Language = {
  name: 'go',
  files: ['go.mod', 'go.sum'],
  program: 'program/main.go',
  page: 'page/main.go',
  // What was downloaded is enough.
  prepare: 'mkdir zeekcluster',
  compile: 'export GOPROXY=off GOTOOLCHAIN=local; go vet ./... && go build -o bin/ ./...',
  run: file => `bin/${file.split('/')[0]}`
}

const maven: Tool = {
  name: 'maven',
  needs: ['mvn', 'javac'],
  files: ['java/pom.xml'],
  install: 'mvn --batch-mode --quiet dependency:copy-dependencies -DoutputDirectory=lib'
}

const java: Language = {
  name: 'java',
  files: [],
  program: 'Program.java',
  page: 'Page.java',
  prepare: 'true',
  // Kinds of warnings that the code of the generator itself has.
  compile: `javac -Xlint:all,-serial,-deprecation -Werror -cp "$maven/lib/*" -d classes *.java $(find client/src/main -name '*.java')`,
  run: file => `java -cp "classes:$maven/lib/*" ${file.replace('.java', '')}`
}

const openapiGeneratorRemarks = [
  {
    text: /WARN .* File \(.*\) cannot be used as( a)? model name/,
    reason: 'the query parameter `file`, of which it makes none'
  },
  { text: /OpenAPI 3\.1 support is still in beta/, reason: 'said of every document of OpenAPI 3.1' },
  { text: /Failed to get the schema name: null/, reason: 'said of every schema of type null, and of none by name' },
  { text: /^\[main\] INFO/, reason: 'what it writes, with the names of files' }
]

export const generators: readonly Generator[] = [
  { name: 'openapi-typescript', version: '7.13.0', language: ts, tools: [npm] },
  { name: 'hey-api', version: '0.95.0', language: ts, tools: [npm] },
  { name: 'orval', version: '8.38.0', language: ts, tools: [npm] },
  {
    name: 'openapi-generator-typescript-fetch',
    version: '7.25.0',
    language: ts,
    tools: [npm, openapiGenerator],
    remarks: openapiGeneratorRemarks
  },
  {
    name: 'openapi-python-client',
    version: '0.29.0',
    language: py,
    tools: [python],
    remarks: [
      { text: /^Warning\(s\) encountered/, reason: 'the head of those below' },
      { text: /^WARNING parsing POST \/v1\/requests\/stage_configuration/, reason: 'the head of the two below' },
      { text: /^WARNING parsing POST \/v1\/conversions/, reason: 'the same' },
      {
        text: /^Unsupported content type text\/(x-ini|plain)$/,
        reason: 'a file of another tool as a body'
      },
      { text: /^WARNING parsing POST \/v1\/bundles/, reason: 'the head of the two below' },
      {
        text: /^Unsupported content type application\/(x-tar|gzip)$/,
        reason: 'an archive, which it sends as application/octet-stream'
      },
      { text: /^RequestBody\(/, reason: 'what it cannot read, again' }
    ]
  },
  {
    name: 'openapi-generator-python',
    version: '7.25.0',
    language: py,
    tools: [python, openapiGenerator],
    compile: 'mypy --config-file openapi-generator-python.ini *.py zeek_cluster',
    remarks: [
      ...openapiGeneratorRemarks,
      { text: /From \(reserved word\) cannot be used/, reason: 'the query parameter `from`, a word of Python' }
    ]
  },
  { name: 'oapi-codegen', version: '2.8.2', language: go, tools: [goTools] },
  {
    name: 'ogen',
    version: '1.25.0',
    language: go,
    tools: [goTools],
    remarks: [
      { text: /^INFO/, reason: 'what it leaves out as it is told to' },
      { text: /Ensuring "status" matching HTTP status code will not be enforced/, reason: 'a member of every Problem' },
      { text: /original_name": "ETag", "canonical_name": "Etag"/, reason: 'as RFC 9110 writes it' }
    ]
  },
  {
    name: 'openapi-generator-java',
    version: '7.25.0',
    language: java,
    tools: [openapiGenerator, maven],
    remarks: [
      ...openapiGeneratorRemarks,
      { text: /Ignoring complex example on request body/, reason: 'an example that is no string' }
    ]
  }
]
