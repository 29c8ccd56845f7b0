#!/bin/sh
# Users, folders and the configuration; starts nothing, because pki.url must be chosen before the first start.
set -e
if [ "$1" = configure ]; then
	for user in antin antin-sensor; do
		if ! getent passwd "$user" >/dev/null; then
			home=/nonexistent
			[ "$user" = antin ] && home=/var/lib/antin
			adduser --system --group --no-create-home --home "$home" --shell /usr/sbin/nologin "$user"
		fi
	done
	install -d -o antin -g antin -m 0700 /var/lib/antin
	install -d -o antin-sensor -g antin-sensor -m 0750 /var/log/antin-sensor
	if [ ! -e /var/lib/antin/antin.yaml ]; then
		/usr/bin/antin config template >/var/lib/antin/antin.yaml.new
		chown antin:antin /var/lib/antin/antin.yaml.new
		chmod 0600 /var/lib/antin/antin.yaml.new
		mv /var/lib/antin/antin.yaml.new /var/lib/antin/antin.yaml
		echo "antin: edit /var/lib/antin/antin.yaml (pki.url is written into certificates), then: systemctl enable --now antin"
	fi
	chgrp antin-sensor /etc/antin/sensor.yaml
	chmod 0640 /etc/antin/sensor.yaml
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload
		if [ -n "$2" ]; then
			systemctl try-restart antin.service antin-sensor.service
		fi
	fi
fi
