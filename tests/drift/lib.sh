# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For tests/drift/check and others, sourced after tap.sh: what a man page or a completion has.

# same WHAT NAMES NAMES: one a line, in any order
same() {
	local what=$1 ours theirs
	ours=$(sort <<<"$2") theirs=$(sort <<<"$3")
	if [[ $ours == "$theirs" ]]; then
		ok "$what"
	else
		not_ok "$what" "only in the source: $(comm -23 <(echo "$ours") <(echo "$theirs") | tr '\n' ' ')" \
			"only here: $(comm -13 <(echo "$ours") <(echo "$theirs") | tr '\n' ' ')"
	fi
}

# ---- man pages ----

# plain FILE: without roff's ways to write a character
plain() { sed 's/\\-/-/g; s/\\~/ /g; s/\\&//g; s/\\f[BIRP]//g; s/\\(aq/'"'"'/g; s/\\e$/\\/' "$1"; }

section() { plain "$1" | sed -n "/^\.SH $2\$/,/^\.SH /p" | sed '1d; /^\.SH /d'; }
subsection() { plain "$1" | sed -n "/^\.SS $2\$/,/^\.S[SH] /p" | sed '1d; /^\.S[SH] /d'; }

# text: without the macros at the beginning of lines
text() { sed 's/^\.[BI][RI]\{0,1\} //; s/^\.[BI] //; s/"//g; s/  */ /g'; }

# blocks FILE: what is set as typed; a line of "--" ends each
blocks() { plain "$1" | sed -n '/^\.EX$/,/^\.EE$/{/^\.EX$/d;s/^\.EE$/--/;p}'; }

# block FILE PATTERN: the first of them that has an extended regular expression
block() {
	blocks "$1" | awk -v pattern="$2" '
		{ text = text $0 "\n"; found = found || $0 ~ pattern }
		/^--$/ && found { sub(/--\n$/, "", text); printf "%s", text; exit }
		/^--$/ { text = "" }'
}

# tags FILE SECTION: what each entry of the section's outer list is of
tags() { section "$1" "$2" | awk '/^\.RS/ { deep++ } /^\.RE/ { deep-- } tag && !deep { print } { tag = /^\.TP/ }' | text; }
inner_tags() { section "$1" "$2" | awk '/^\.RS/ { deep++ } /^\.RE/ { deep-- } tag && deep { print } { tag = /^\.TP/ }' | text; }

# entry FILE SECTION WORD: the text of the first entry with that word in its tag, on one line
entry() {
	section "$1" "$2" | text | awk -v word="$3" '
		/^\.RS/ { deep++ } /^\.RE/ { deep-- }
		found && !deep && /^\.TP/ { exit }
		tag && !deep && !found { found = index(" " $0 "=[(,", " " word) && match($0, word "($|[^a-z-])"); tag = 0; next }
		found && !/^\./ { print }
		{ tag = /^\.TP/ }' | tr '\n' ' '
}

# ---- bash ----

# complete_bash WORD...: what the last word can become, in COMPREPLY
complete_bash() {
	COMP_WORDS=(nvmxctl "$@") COMP_CWORD=$# COMPREPLY=()
	_nvmxctl 2>/dev/null
}

bash_verbs() {
	. client/nvmxctl.bash-completion
	complete_bash "$@" ''
	printf '%s\n' "${COMPREPLY[@]}"
}

# bash_options VERB...: "VERB OPTION"
bash_options() {
	local verb
	. client/nvmxctl.bash-completion
	for verb; do
		complete_bash "$verb" --
		printf "$verb %s\n" "${COMPREPLY[@]%=}"
	done
}

# ---- zsh, with what its completion system would be given printed instead ----

zsh_verbs() {
	zsh -f -c '
		_describe() { print -l -- ${${(P)4}%%:*} }
		_arguments() { return 1 }
		words=(x ""); CURRENT=2
		. client/nvmxctl.zsh-completion 2>/dev/null
		'"$1"
}

zsh_options() {
	zsh -f -c '
		first=1
		_arguments() {
			if ((first)); then
				first=0 state=parameters words=($verb "")
				return 1
			fi
			print -l -- $@ | grep -oE -- "--[a-z-]+" | sort -u | sed "s/^/$verb /"
		}
		words=(nvmxctl "")
		. client/nvmxctl.zsh-completion >/dev/null
		for verb; do
			first=1 words=(nvmxctl $verb "")
			_nvmxctl
		done' zsh "$@"
}
