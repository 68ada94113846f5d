#!/usr/bin/env bash
# The root directory of a stand-in for the official Nacos image: a Java runtime of the modules that it needs, and its jars.
# It takes the official image's variables for authentication, and always stands alone.
#   nacos-root.sh SERVER ROOT     SERVER: what nacos/build.sh made
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/programs.sh"
server=$1 root=$2
java=$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")")
modules=java.base,java.compiler,java.desktop,java.instrument,java.logging,java.management,java.naming,java.net.http,java.prefs
modules+=,java.rmi,java.scripting,java.security.jgss,java.sql,java.transaction.xa,java.xml,jdk.crypto.ec,jdk.management
modules+=,jdk.unsupported,jdk.zipfs
mkdir -p "$root"/{tmp,etc,data,app/lib}
chmod 1777 "$root/tmp"

"$java/bin/jlink" --output "$root/jre" --strip-debug --no-header-files --no-man-pages --compress=1 --add-modules "$modules"
# java.desktop is there for its beans alone.
rm -f "$root"/jre/lib/lib{awt,awt_xawt,awt_headless,fontmanager,freetype,javajpeg,lcms,mlib_image,jawt,splashscreen,jsound}.so
for file in "$root"/jre/bin/java "$root"/jre/lib/*.so "$root"/jre/lib/server/libjvm.so; do libraries "$file"; done
more_libraries nss_files nss_dns resolv stdc++ gcc_s rt pthread dl m

# In Maven's order (hessian 4 before 3), so no `lib/*`.
class_path=/app/classes
IFS=: read -ra jars <"$server/cp.txt" || true
for jar in "${jars[@]}"; do
  case $jar in *mysql-connector*) continue ;; esac
  cp "$jar" "$root/app/lib/"
  class_path+=:/app/lib/${jar##*/}
done
cp -r "$server/classes" "$root/app/classes"
cp "$server/application.properties" "$root/app/"
cat >"$root/app/java.args" <<END
-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx256m -Djava.net.preferIPv4Stack=true
-Dnacos.standalone=true -Dnacos.functionMode=naming -Dnacos.home=/data -Dderby.stream.error.file=/data/derby.log
-cp $class_path
harness.NacosMain
--spring.config.location=file:/app/application.properties --server.tomcat.basedir=/data/tomcat
END
echo 'root:x:0:0::/data:/' >"$root/etc/passwd"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
