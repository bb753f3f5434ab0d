package permission

// Programs for files and directories.
var filePrograms = [...]program{
	{names: "ls,dir,vdir,pwd,stat,readlink,realpath,du,df,lsblk,findmnt,namei,exa,eza,lsattr,getfacl", safe: true, takes: "-I -w -T -B -t -o -x --ignore --width --time-style --block-size --format --printf --exclude"},
	{names: "file", safe: true, reads: "all", bad: "-C --compile -f --files-from -m --magic-file -z --uncompress --uncompress-noreport -Z", from: "-f --files-from -m --magic-file"},
	{names: "tree", safe: true, bad: "-o -R --output", to: "-o"}, // its options take their values from the words behind a cluster
	{names: "find,gfind", safe: true, whole: true, bad: "-exec -execdir -ok -okdir -delete -fprint -fprint0 -fprintf -fls -files0-from", to: "-fprint -fprint0 -fprintf -fls", from: "-files0-from",
		takes: "-name -iname -path -ipath -wholename -regex -iregex -type -xtype -size -mtime -mmin -atime -amin -ctime -cmin -newer -anewer -cnewer -perm -user -group -uid -gid -maxdepth -mindepth -printf -links -inum -samefile -fstype -lname -ilname -regextype -D"},
	{names: "fd,fdfind", safe: true, bad: "-x --exec -X --exec-batch", takes: "-e -t -d -E -c -j -S --extension --type --max-depth --exclude --color --threads --size --changed-within --changed-before --base-directory"},
	{names: "locate,plocate", safe: true, bad: "-d --database"},
	{names: "cp", reads: "all", writes: "last", bad: "--target-directory -t", same: "-r=-R=--recursive -f=--force -a=--archive", takes: "-S --suffix", to: "-t --target-directory"},
	{names: "mv", to: "-t --target-directory", writes: "all", bad: "--target-directory -t", same: "-f=--force -n=--no-clobber", takes: "-S --suffix"},
	{names: "install", reads: "all", writes: "last", turns: "-d --directory", to: "-t --target-directory", takes: "-m -o -g -S --mode --owner --group --suffix", bad: "-s --strip --strip-program -t --target-directory"},
	{names: "ln", reads: "all", writes: "last", to: "-t --target-directory", takes: "-S --suffix", same: "-s=--symbolic -f=--force", bad: "-t --target-directory"},
	{names: "rm,unlink,rmdir,tee,trash", writes: "all", same: "-r=-R=--recursive -f=--force -p=--parents -v=--verbose -i=--interactive -d=--dir"},
	{names: "shred,truncate", writes: "all", same: "-f=--force -u=--remove -v=--verbose", takes: "-s --size -n --iterations -r --reference --random-source"},
	{names: "touch", writes: "all", takes: "-d --date -t -r --reference --time"},
	{names: "mkdir,mkfifo,mknod", writes: "all", same: "-p=--parents -v=--verbose", takes: "-m --mode"},
	{names: "chmod,chown,chgrp,chattr,setfacl", writes: "all", same: "-R=--recursive -f=--silent=--quiet", takes: "--reference --from"},
	{names: "dd", from: "if=", to: "of="},
	{names: "xargs,gxargs", stops: true, from: "-a --arg-file", takes: "-d -E -I -L -n -P -s --delimiter --max-args --max-procs --max-chars"},
	{names: "rsync", reads: "all", writes: "last", bad: "-e --rsh --rsync-path --files-from --config --password-file --log-file --write-batch --only-write-batch --read-batch --daemon -M --remote-option --temp-dir -T --partial-dir --backup-dir --copy-dest --link-dest"},
	{names: "scp,sftp", reads: "all", writes: "last", takes: "-S -o -F -D -J -i -c -P -l", bad: "-S -o -F -D -J -i -c"},
	{names: "tar,gtar,bsdtar", reads: "all", takes: "-b -f -g -F -H -I -K -L -N -V -X", from: "-T --files-from -X --exclude-from", moves: "-C --directory", to: "-C --directory", bad: "-I --use-compress-program --checkpoint-action --to-command -F --info-script --new-volume-script --rsh-command --rmt-command --one-top-level --volno-file -P --absolute-names --files-from -T --exclude-from -X --index-file --remove-files --overwrite -C --directory --unlink-first -g --listed-incremental"},
	{names: "zip", reads: "all", bad: "-T --test -TT --unzip-command -m --move -@ -O --output-file -b --temp-path"},
	{names: "unzip", reads: "all", to: "-d", bad: "-d -o"},
	{names: "gzip,gunzip,bzip2,xz,zstd,lz4", writes: "all", to: "-o --output-dir-flat", bad: "--rm -f --force -o --output-dir-flat --use-compress-program"},
	{names: "cpio", bad: "--rsh-command -F --file -O -E"},
	{names: "patch", writes: "all", from: "-i --input", to: "-o --output -r --reject-file -d --directory", takes: "-p -F -D", bad: "-o --output -r --reject-file -i --input -d --directory -e --ed"},
}
