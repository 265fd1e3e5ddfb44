# Completion scripts are valid for their shells and know every option of -h.
mq __completions bash >mq.bash
mq __completions zsh >mq.zsh
mq __completions fish >mq.fish
bash -n mq.bash
for c in quantize inspect check; do
    mq $c -h | grep -oE '^ +(-., )?--[a-z-]+' | grep -oE -- '--[a-z-]+' | while read -r o; do
        grep -q -e "$o" mq.bash && grep -q -e "$o\[" -e "$o}" mq.zsh && grep -q -e "-l ${o#--} " mq.fish || echo "$c $o is missing"
    done
done
