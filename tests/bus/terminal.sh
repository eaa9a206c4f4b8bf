# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For tests of what people see on a terminal, sourced after lib.sh: one that tmux has,
# with a shell in it.  All waiting is for what the screen shows, by soon().

terminal=none

tmux() { command tmux -S "$T/tmux" -f /dev/null "$@"; }

# terminal_open WIDTH HEIGHT [COMMAND...]: a shell without anybody's settings if none is given
terminal_open() {
	local width=$1 height=$2; shift 2
	(($#)) || set -- env PS1='ready> ' bash --norc --noprofile -i
	tmux kill-server 2>/dev/null
	tmux new-session -d -s test -x "$width" -y "$height" "$@" || { echo "Bail out! tmux does not start"; exit 1; }
	tmux set-option -g window-size manual \; set-option -g status off
	tmux resize-window -t test -x "$width" -y "$height"
}

terminal_resize() { tmux resize-window -t test -x "$1" -y "$2"; }

# terminal_type KEY...: as tmux names them, or text
terminal_type() { tmux send-keys -t test -- "$@"; }

screen() { tmux capture-pane -p -t test; }
# All lines since it was cleared, as a program wrote them: those that the terminal broke are whole.
lines() { tmux capture-pane -p -J -S - -t test; }
# With colours and attributes, as escape sequences.
screen_in_colour() { tmux capture-pane -p -e -t test; }

shown() { [[ $(screen) =~ $1 ]]; }
not_shown() { ! shown "$1"; }

# terminal_run COMMAND: types it, and waits for its end
terminal_run() {
	terminal_type C-c
	terminal_type "clear" Enter
	soon cleared
	tmux clear-history -t test
	terminal_type "$1; echo status=\$?" Enter
	soon shown 'status=[0-9]'
}
cleared() { [[ $(screen) =~ ^'ready>'[[:space:]]*$ ]]; }

# shows WHAT PATTERN: soon
shows() {
	if soon shown "$2"; then ok "$1"; else not_ok "$1" "never on the screen: $2" "$(screen)"; fi
}

# The program's view of it: is the alternate screen on?
alternate() { [[ $(tmux display-message -p -t test '#{alternate_on}') == 1 ]]; }
not_alternate() { ! alternate; }
