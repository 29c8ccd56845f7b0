#!/bin/sh
# On removal, not on upgrade: the services end. Data and users stay.
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	systemctl disable --now antin.service antin-sensor.service
fi
