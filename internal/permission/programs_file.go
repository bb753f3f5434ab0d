package permission

// Programs for files and directories.
var filePrograms = [...]program{
	{names: "ls,dir,vdir,pwd,stat,readlink,realpath,du,df,lsblk,findmnt,namei,exa,eza,lsattr,getfacl", safe: true, takes: "-I -w -T -B -t -o -x --ignore --width --time-style --block-size --format --printf --exclude"},
	{names: "file", safe: true, reads: "all", bad: "-C --compile -f --files-from -m --magic-file -z --uncompress -Z"},
	{names: "tree", safe: true, bad: "-o -R", takes: "-L -P -I -H -T --charset --filelimit --timefmt --sort"},
	{names: "find,gfind", safe: true, whole: true, bad: "-exec -execdir -ok -okdir -delete -fprint -fprint0 -fprintf -fls -files0-from",
		takes: "-name -iname -path -ipath -wholename -regex -iregex -type -xtype -size -mtime -mmin -atime -amin -ctime -cmin -newer -anewer -cnewer -perm -user -group -uid -gid -maxdepth -mindepth -printf -links -inum -samefile -fstype -lname -ilname -regextype -D"},
	{names: "fd,fdfind", safe: true, bad: "-x --exec -X --exec-batch", takes: "-e -t -d -E -c -j -S --extension --type --max-depth --exclude --color --threads --size --changed-within --changed-before --base-directory"},
	{names: "locate,plocate", safe: true, bad: "-d --database"},
	{names: "cp", reads: "all", writes: "last", bad: "--target-directory -t", same: "-r=-R=--recursive -f=--force -a=--archive", takes: "-S --suffix"},
	{names: "mv", writes: "all", bad: "--target-directory -t", same: "-f=--force -n=--no-clobber", takes: "-S --suffix"},
	{names: "install", reads: "all", writes: "last", bad: "-s --strip --strip-program -t --target-directory"},
	{names: "ln", writes: "last", same: "-s=--symbolic -f=--force", bad: "-t --target-directory"},
	{names: "rm,unlink,rmdir,tee,trash", writes: "all", same: "-r=-R=--recursive -f=--force -p=--parents -v=--verbose -i=--interactive -d=--dir"},
	{names: "shred,truncate,touch,mkdir,mkfifo,mknod", writes: "all", same: "-r=-R=--recursive -f=--force -u=--remove -p=--parents -v=--verbose -i=--interactive -d=--dir", takes: "-s --size -m --mode -n --iterations -d --date -t -r --reference"},
	{names: "chmod,chown,chgrp,chattr,setfacl", writes: "rest", same: "-R=--recursive -f=--silent=--quiet", takes: "--reference --from"},
	{names: "dd"},
	{names: "rsync", reads: "all", writes: "last", bad: "-e --rsh --rsync-path --files-from --config --password-file --log-file --write-batch --only-write-batch --read-batch --daemon -M --remote-option --temp-dir -T --partial-dir --backup-dir --copy-dest --link-dest"},
	{names: "scp,sftp", bad: "-S -o -F -D -J -i -c"},
	{names: "tar,gtar,bsdtar", bad: "-I --use-compress-program --checkpoint-action --to-command -F --info-script --new-volume-script --rsh-command --rmt-command -P --absolute-names --files-from -T --exclude-from -X --index-file --remove-files --overwrite -C --directory --unlink-first -g --listed-incremental"},
	{names: "zip", bad: "-T --test -TT --unzip-command -m --move -@ -O --output-file -b --temp-path"},
	{names: "unzip", bad: "-d -o"},
	{names: "gzip,gunzip,bzip2,xz,zstd,lz4", writes: "all", bad: "--rm -f --force -o --output-dir-flat --use-compress-program"},
	{names: "cpio", bad: "--rsh-command -F --file -O -E"},
	{names: "patch", bad: "-o --output -r --reject-file -i --input -d --directory -e --ed"},
}
