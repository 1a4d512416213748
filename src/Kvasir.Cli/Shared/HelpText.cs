using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Kvasir.Cli.Shared;

/// <summary>What <c>--help</c> shows: the parser's own listing, then examples and what the exit codes mean.</summary>
internal sealed class HelpText(Shell shell) : SynchronousCommandLineAction
{
    private const int MaxColumns = 110;

    private const string Root = """
        Examples:
          kvasir demo
          kvasir run stories260K "Once upon a time"
          kvasir chat Qwen3-8B-Q4_K_M.gguf
          kvasir inspect ./Llama-3.1-8B-Instruct
          kvasir bench --synthetic llama3.2-1b --depth 0,4096

        Exit codes:
          0    done; also when the reader of the output closed it early
          1    the model, a file or the request is at fault
          2    the command line is at fault
          70   Kvasir itself is at fault (KVASIR_DEBUG=1 shows the stack trace)
          129  the terminal was closed
          130  interrupted with Ctrl-C
          143  terminated by a signal

        Errors are one line on the standard error stream; with --json they are on the standard output as well,
        as {"error":{"kind":...,"message":...},"exitCode":...}. NO_COLOR=1 switches dimmed text off.
        """;

    private const string Run = """
        Examples:
          kvasir run stories260K "Once upon a time" --temperature 0 --max-tokens 100
          kvasir run model.gguf --file question.txt --context 32k --kv q8
          git diff | kvasir run model.gguf --system "Write a commit message for this change"
          kvasir run model.gguf "Name three rivers" --json | jq -r .text

        Ctrl-C ends the answer and keeps what there is (exit code 130); a second one ends the process at once.
        """;

    private const string Chat = """"
        Examples:
          kvasir chat model.gguf
          kvasir chat model.gguf --system "Answer in one sentence" --context 16k
          printf 'What is 2+2?\nAnd doubled?\n' | kvasir chat model.gguf --json

        In the chat, /help lists the commands. Three quotes (""") begin and end a message of several lines.
        Ctrl-C ends an answer and keeps the chat; at the prompt, Ctrl-C or Ctrl-D leaves.
        """";

    private const string Inspect = """
        Examples:
          kvasir inspect stories260K
          kvasir inspect model.gguf --tensors
          kvasir inspect model.gguf --json | jq .plan
          kvasir inspect --attention model.gguf --prompt-file long.txt --policies psa,psa:coverage=0.8,block=32,quest --html maps.html

        --attention runs on real keys and queries: the prompt's first tokens are each policy's prompt, its last --queries
        tokens are attended as if they were generated, by every policy and densely. A policy reads everything below its
        min-context (4096 tokens unless it is told otherwise), so shorter prompts want min-context=0.
        """;

    private const string Policies = """
        Examples:
          kvasir policies
          kvasir policies --json | jq '.policies[].name'
          kvasir run model.gguf --file long.txt --attention psa:coverage=0.98
        """;

    private const string Bench = """
        Examples:
          kvasir bench model.gguf --prefill 512,4096 --depth 0,4096
          kvasir bench --synthetic llama3.2-1b --weights q8_0 --depth 0,32k,96k --fill random --kv q8
          kvasir bench --synthetic llama3.1-8b:4 --batch 1,4,16 --prefill 0 --json | jq .results
          kvasir bench --machine

        A row of depth D has the speed of --prefill tokens on top of D tokens, and of decoding from there on.
        Prefill is of one sequence; decode tok/s are those of all sequences of the batch together.
        "of floor" compares a decode step with reading its weights, keys and values at the memory bandwidth
        that was measured just before and after it. Random weights have the speed of real ones, and with
        --fill random so has dense attention; a sparse policy needs real text to say anything.
        Ctrl-C ends with the cases that were measured until then.
        """;

    private const string Calibrate = """
        Examples:
          kvasir calibrate model.gguf --text book.txt --output axes.safetensors
          kvasir run model.gguf --file long.txt --attention loki:file=axes.safetensors

        The text is read densely, and its keys are kept in memory until their axes are known.
        """;

    private const string Eval = """
        Examples:
          kvasir eval needle model --context 1k,4k --attention psa,quest,streaming --samples 20
          kvasir eval niah_single_1,vt model.gguf --context 16k --attention psa --sweep budget --protocol a,b --state run.jsonl --html run.html
          kvasir eval jsonl model.gguf --file questions.jsonl --attention magicpig --json results.json --csv results.csv

        Dense attention always runs too: every difference is from it, on the same samples, with its 95% confidence interval.
        Protocols: a computes context, question and the answer's beginning densely; b computes the context densely, and feeds
        the question under the policy. They rank policies differently, so every table names them.
        A policy reads everything below its min-context (4096 tokens or more unless it is told otherwise): --min-context 0
        lets short samples say something. --sweep budget takes each policy from few keys to many, as kvasir policies lists them.
        Ctrl-C stops; with --state FILE the same command goes on from there.
        Without expected answers: kvasir eval agree --help (your own prompts), kvasir eval ppl --help (any text).
        """;

    private const string Agree = """
        Examples:
          kvasir eval agree model.gguf --prompts questions.jsonl --attention psa,quest,@mine.policy
          kvasir eval agree model.gguf --prompt-file contract.txt,minutes.txt --attention guarded --sweep budget --protocol a,b

        Dense attention answers each prompt greedily, up to --tokens. Every policy is then fed that answer, and the predictions
        behind its tokens are compared: the score is the share of tokens that both put first, the divergence is in nats a token.
        In protocol b the prompt's last --question-tokens are fed under the policy too. A policy that differs anywhere also
        answers by itself, to compare lengths. Prompts are taken as they are: a chat model's template belongs into them.
        --audit is on by default here, for the mass kept and the error of attention's output.
        Ctrl-C stops; with --state FILE the same command goes on from there.
        """;

    private const string Ppl = """
        Examples:
          kvasir eval ppl model.gguf --file book.txt --context 4096,16k --attention psa,quest --windows 16
          kvasir eval ppl model.gguf --file book.txt --context 32k --scored 512 --attention guarded --sweep budget

        All of a window but its last --scored tokens is computed densely; those are fed under the policy, each predicting the next.
        The score is the share of tokens that come first, the loss is in nats a token, the perplexity is its exponential.
        Ctrl-C stops; with --state FILE the same command goes on from there.
        """;

    private const string Tune = """
        Examples:
          kvasir tune model.gguf --prompts questions.jsonl --target 99% --out mine.policy
          kvasir run model.gguf --file long.txt --attention @mine.policy
          kvasir tune model.gguf --prompt-file contract.txt --attention psa,quest --by time
          kvasir tune model.gguf --task vt --context 16k --target 95% --protocol b

        Agreement is the share of tokens of dense attention's answer that a policy puts first too, as in kvasir eval agree.
        Each policy is measured from few keys to many until it keeps the target, then between the last two budgets.
        Every setting computes all prompts: a few that are like your own say more than many that are not.
        Where no setting keeps the target, that is said, nothing is written, and the exit code is 1.
        """;

    private const string Demo = """
        Examples:
          kvasir demo
          kvasir demo --context 128k --questions 4
          kvasir demo --context 8k --attention dense,quest,psa:coverage=0.8 --json | jq .policies

        The text is computed once, densely; questions are fed under each policy, a token at a time. A policy computes
        the last tokens of the text itself, and its index of all of it: "time" has them, ms/token and tokens/s do not.
        Keys read are those of all layers, which some policies leave dense. Ctrl-C ends with the answers so far.
        """;

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        var listing = new HelpAction { MaxWidth = Math.Min(shell.Columns(), MaxColumns) };
        listing.Invoke(parseResult);
        shell.Output.WriteLine(parseResult.CommandResult.Command.Name switch
        {
            "run" => Run,
            "chat" => Chat,
            "inspect" => Inspect,
            "policies" => Policies,
            "bench" => Bench,
            "calibrate" => Calibrate,
            "eval" => Eval,
            "agree" => Agree,
            "ppl" => Ppl,
            "tune" => Tune,
            "demo" => Demo,
            _ => Root,
        });
        return ExitCode.Ok;
    }
}
