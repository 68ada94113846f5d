#!/bin/bash
# Resolves the jars of the Nacos test server with Maven and compiles its main class into the cache, once; prints the folder.
# Needs java, javac and mvn. Run by `npm run servers`; the server itself is started by ../nacos.ts.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=2.3.2
root=${PILOTFISH_CACHE:-$HOME/.cache/pilotfish}
cache=$root/servers/nacos-$version
repository=${M2_REPO:-$root/m2} # In the cache, too: the class path names the jars where they lie.
if [[ -s $cache/ready && $here/pom.xml -ot $cache/ready && $here/src/NacosMain.java -ot $cache/ready ]] &&
  cmp -s "$here/application.properties" "$cache/application.properties"; then
  echo "$cache"
  exit 0
fi
for tool in java javac mvn; do
  command -v "$tool" >/dev/null || { echo "nacos: $tool is not installed" >&2; exit 1; }
done
mkdir -p "$cache/classes"
rm -f "$cache/ready"
# The order of the class path matters (hessian 4 before 3), so that it is taken as Maven resolves it, never as `lib/*`.
mvn -B -q -f "$here/pom.xml" -Dmaven.repo.local="$repository" dependency:build-classpath -Dmdep.outputFile="$cache/cp.txt" >&2
javac -nowarn -proc:none -d "$cache/classes" -cp "$(cat "$cache/cp.txt")" "$here/src/NacosMain.java" >&2
cp "$here/application.properties" "$cache/"
echo "$version" >"$cache/ready"
echo "$cache"
