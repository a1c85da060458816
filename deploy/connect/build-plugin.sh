#!/bin/sh
# Debezium's connector and our transformation in one plug-in folder: build-plugin.sh JARS PLUGINS, where
# JARS holds what pom.xml names. Needs a JDK; the image and the test are both made by it.
set -eu
jars=$1
plugins=$2
here=$(cd "$(dirname "$0")" && pwd)
classes=$(mktemp -d)
trap 'rm -r "$classes"' EXIT

mkdir -p "$plugins"
tar -xzf "$jars"/debezium-connector-postgres-*-plugin.tar.gz -C "$plugins"
javac --release 17 -cp "$jars/*" -d "$classes" "$here/JsonHeaders.java"
mkdir -p "$classes/META-INF/services"
echo app.connect.JsonHeaders >"$classes/META-INF/services/org.apache.kafka.connect.transforms.Transformation"
jar -c -f "$plugins/debezium-connector-postgres/json-headers.jar" -C "$classes" .
