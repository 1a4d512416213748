using System.Diagnostics;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;

namespace Kvasir.Cli.Demo;

/// <summary><c>kvasir demo</c>: questions about a long text, answered under several attention policies side by side.</summary>
internal sealed class DemoCommand(Shell shell) : Verb
{
    private static readonly SwitchFlag Json = OutputFlags.Json("Write questions, answers and figures as one JSON object instead of the table");

    public override string Name => "demo";

    public override string Summary => "Ask a small model about a long text, under several policies side by side: what is right, what was read, what it took";

    public override IReadOnlyList<FlagGroup> Flags => [.. DemoFlags.Groups, new("Output", Json, OutputFlags.Quiet)];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir demo",
        "kvasir demo --context 128k --questions 4",
        "kvasir demo --context 8k --attention dense,quest,psa:coverage=0.8 --json | jq .policies",
    ];

    public override string Notes => """
        The text is computed once, densely; questions are fed under each policy, a token at a time. A policy computes
        the last tokens of the text itself, and its index of all of it: "time" has them, ms/token and tokens/s do not.
        Keys read are those of all layers, which some policies leave dense. Ctrl-C ends with the answers so far.
        """;

    public override int Run(TypedCommand typed)
    {
        shell.RequireOutput();
        var (name, isQuiet) = (typed.Get(DemoFlags.Model), typed.Is(OutputFlags.Quiet));
        using var model = ModelSetup.Load(shell, name, new ModelOptions(), isQuiet, shell.ErrorIsTerminal);
        var plan = DemoFlags.Read(typed, model.Config.ContextTokens);
        using var run = new DemoRun(model, plan);
        var board = new DemoBoard(run.Haystack.Questions, plan.Policies);
        foreach (var line in isQuiet ? [] : DemoText.Beginning(model, run, board))
            shell.Note(line);
        var isWhole = Show(run, board, isQuiet);
        if (typed.Is(Json))
            shell.Output.WriteLine(DemoJson.Text(DemoReport.Of(model, plan, run, board)));
        else if (board.AnswerCount > 0)
            WriteTable(board);
        if (!isWhole)
        {
            shell.Note($"interrupted after {board.AnswerCount} of {board.Questions.Count * board.Labels.Count} answers");
            return shell.Interrupts.Code;
        }

        if (!isQuiet && DemoText.BeyondModel(board) is { } limit)
            shell.Note(limit);
        if (!isQuiet)
            shell.Note(DemoText.Next(name, board.Questions[0]));
        return ExitCode.Ok;
    }

    // False when it was interrupted.
    private bool Show(DemoRun run, DemoBoard board, bool isQuiet)
    {
        var (isWhole, status) = (true, (Func<string>)(static () => "warming up"));
        using var cancel = new CancellationTokenSource();
        using var live = new LiveBlock(shell, isQuiet, () => LiveLines(board, status()));
        shell.Interrupts.Guard(cancel.Cancel, () =>
        {
            try
            {
                live.Draw();
                run.WarmUp(cancel.Token);
                var start = Stopwatch.GetTimestamp();
                status = () => DemoText.Computing(run, Stopwatch.GetElapsedTime(start));
                using (new ProgressLine(shell, isQuiet || shell.ErrorIsTerminal, status))
                    run.Compute(cancel.Token);
                foreach (var (question, policy) in board.Turns)
                {
                    status = () => $"asking for {board.Questions[question].Asked} under {board.Labels[policy]}";
                    live.Draw();
                    var answer = run.Ask(question, policy, cancel.Token);
                    board.Add(question, policy, answer);
                    if (!isQuiet && !shell.ErrorIsTerminal)
                        shell.Note(DemoText.Answered(board, question, policy, answer));
                }
            }
            catch (OperationCanceledException)
            {
                isWhole = false;
            }
        });
        return isWhole;
    }

    private List<string> LiveLines(DemoBoard board, string status)
    {
        var columns = shell.Columns();
        var (blocks, others) = DemoTable.Height(board, columns);
        // The row of the cursor stays free, and the status has one with an empty one above.
        var questions = (shell.Rows() - others - 3) / blocks;
        return [.. DemoTable.Lines(board, columns, questions, shell.HasColor), "", status.Length < columns ? status : status[..Math.Max(0, columns - 1)]];
    }

    private void WriteTable(DemoBoard board)
    {
        var columns = shell.OutputIsTerminal ? shell.Columns() : int.MaxValue;
        foreach (var line in DemoTable.Lines(board, columns, hasColor: shell.OutputIsTerminal && shell.HasColor))
            shell.Output.WriteLine(line);
    }
}
