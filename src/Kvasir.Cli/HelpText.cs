using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Kvasir.Cli;

/// <summary>What <c>--help</c> shows: the parser's own listing, then examples and what the exit codes mean.</summary>
internal sealed class HelpText(Shell shell) : SynchronousCommandLineAction
{
    private const int MaxColumns = 110;

    private const string Root = """
        Examples:
          kvasir run stories260K "Once upon a time"
          kvasir chat Qwen3-8B-Q4_K_M.gguf
          kvasir inspect ./Llama-3.1-8B-Instruct

        Exit codes:
          0    done; also when the reader of the output closed it early
          1    the model, a file or the request is at fault
          2    the command line is at fault
          70   Kvasir itself is at fault (KVASIR_DEBUG=1 shows the stack trace)
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
            _ => Root,
        });
        return ExitCode.Ok;
    }
}
