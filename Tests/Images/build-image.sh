#!/bin/sh
# Builds an image of four layers with everything that trees hold, by buildah: $1 is an empty directory. Leaves an OCI layout ($1/layout:built),
# the same as archives ($1/oci.tar, $1/docker.tar), and what umoci makes of it ($1/bundle/rootfs).
set -eu
cd "$1"
echo '{"default":[{"type":"insecureAcceptAnything"}]}' > policy.json
place=$1
b() { verb=$1; shift; buildah --root "$place/root" --runroot "$place/run" --storage-driver vfs "$verb" "$@"; }
set_attributes() { python3 -c 'import os,sys
for path, name, value in zip(sys.argv[1::3], sys.argv[2::3], sys.argv[3::3]): os.setxattr(path, name, bytes.fromhex(value), follow_symlinks=False)' "$@"; }

layer() {  # FROM NAME: a container of FROM, changed by change_NAME, committed as NAME
    container=$(b from --signature-policy policy.json "$1")
    root=$(b mount "$container")
    (cd "$root" && "change_$2")
    b umount "$container" > /dev/null
    b commit --quiet --signature-policy policy.json --format oci "$container" "localhost/$2:built" > /dev/null
    b rm "$container" > /dev/null
}

change_one() {
    mkdir -p bin etc/deep/er/est var/lib/a usr/share opaque/in set tmp
    chmod 1777 tmp; chmod 2750 set; chown 1000:50 set
    cp /bin/busybox bin/busybox 2>/dev/null || cp /bin/sh bin/busybox
    ln bin/busybox bin/sh; ln -s busybox bin/ls; ln -s /etc/deep usr/link; ln -s nowhere dangling
    echo one > etc/kept; echo one > etc/changed; echo one > etc/removed; echo one > etc/deep/er/est/file
    echo one > opaque/old; echo one > opaque/in/old; echo one > var/lib/a/file; echo one > becomes-directory; mkdir becomes-file; echo x > becomes-file/x
    printf 'a\nb' > "$(printf 'new\nline')"; printf x > "$(printf 'latin\351')"; printf x > "$(printf 'decomposed-e\314\201')"; mkfifo pipe; chmod 600 pipe
    echo cap > bin/capable; chmod 755 bin/capable; echo s > bin/suid; chown 7:8 bin/suid; chmod 6755 bin/suid
    set_attributes bin/capable security.capability 0100000200040000000000000000000000000000 etc/kept user.note 6b657074 etc user.on.directory 79
    truncate -s 5M holes; printf end | dd of=holes bs=1 seek=3000000 conv=notrunc status=none
    touch -d '2001-02-03 04:05:06.789' etc/kept; touch -h -d '1999-12-31' bin/ls; touch -d '1969-12-31 23:00:00 UTC' var/lib/a/file; touch -d '2010-01-01' var/lib
}
change_two() {
    rm etc/removed; rm -r etc/deep; echo two >> etc/changed; rm -r opaque; mkdir opaque; echo two > opaque/new
    rm becomes-directory; mkdir becomes-directory; echo two > becomes-directory/in; rm -r becomes-file; echo two > becomes-file
    chmod 700 var/lib; chown -h 5:5 dangling; ln bin/capable bin/capable-too
}
change_three() {
    mkdir -p etc/deep; echo three > etc/deep/new; echo three > etc/removed; rm bin/ls; ln -s sh bin/ls
    python3 -c 'import os; os.removexattr("etc/kept", "user.note")'; rm opaque/new; chmod 4711 bin/busybox
}
change_four() {
    rm -r opaque set; mkdir -p usr/share/doc; for n in $(seq 300); do echo "$n" > "usr/share/doc/$n"; done
}

layer scratch one
layer localhost/one:built two
layer localhost/two:built three
layer localhost/three:built four
for target in "oci:$1/layout:built" "oci-archive:$1/oci.tar:localhost/four:built" "docker-archive:$1/docker.tar:localhost/four:built"; do
    b push --quiet --signature-policy policy.json localhost/four:built "$target" > /dev/null
done
umoci unpack --image "$1/layout:built" "$1/bundle" > /dev/null
