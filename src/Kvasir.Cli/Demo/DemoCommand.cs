using System.CommandLine;
using System.Diagnostics;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;

namespace Kvasir.Cli.Demo;

/// <summary><c>kvasir demo</c>: questions about a long text, answered under several attention policies side by side.</summary>
internal sealed class DemoCommand
{
    private readonly Shell _shell;
    private readonly DemoFlags _flags = new();
    private readonly OutputFlags _output = new("Write questions, answers and figures as one JSON object instead of the table");

    public DemoCommand(Shell shell)
    {
        _shell = shell;
        Command = new Command("demo", "Ask a small model about a long text, with attention policies side by side");
        _flags.AddTo(Command);
        _output.AddTo(Command);
        Command.SetAction(Run);
    }

    public Command Command { get; }

    private int Run(ParseResult typed)
    {
        var (name, isQuiet) = (_flags.Model(typed), _output.IsQuiet(typed));
        using var model = ModelSetup.Load(_shell, name, new ModelOptions(), isQuiet, _shell.ErrorIsTerminal);
        var plan = _flags.Read(typed, model.Config.ContextTokens);
        using var run = new DemoRun(model, plan);
        var board = new DemoBoard(run.Haystack.Questions, plan.Policies);
        foreach (var line in isQuiet ? [] : DemoText.Beginning(model, run, board))
            _shell.Note(line);
        var isWhole = Show(run, board, isQuiet);
        if (_output.IsJson(typed))
            _shell.Output.WriteLine(ReportJson.Text(DemoReport.Of(model, plan, run, board)));
        else if (board.AnswerCount > 0)
            WriteTable(board);
        if (!isWhole)
        {
            _shell.Note($"interrupted after {board.AnswerCount} of {board.Questions.Count * board.Labels.Count} answers");
            return _shell.Interrupts.Code;
        }

        if (!isQuiet && DemoText.BeyondModel(board) is { } limit)
            _shell.Note(limit);
        if (!isQuiet)
            _shell.Note(DemoText.Next(name, board.Questions[0]));
        return ExitCode.Ok;
    }

    // False when it was interrupted.
    private bool Show(DemoRun run, DemoBoard board, bool isQuiet)
    {
        var (isWhole, status) = (true, (Func<string>)(static () => "warming up"));
        using var cancel = new CancellationTokenSource();
        using var live = new LiveBlock(_shell, isQuiet, () => LiveLines(board, status()));
        _shell.Interrupts.Guard(cancel.Cancel, () =>
        {
            try
            {
                live.Draw();
                run.WarmUp(cancel.Token);
                var start = Stopwatch.GetTimestamp();
                status = () => DemoText.Computing(run, Stopwatch.GetElapsedTime(start));
                using (new ProgressLine(_shell, isQuiet || _shell.ErrorIsTerminal, status))
                    run.Compute(cancel.Token);
                foreach (var (question, policy) in board.Turns)
                {
                    status = () => $"asking for {board.Questions[question].Asked} under {board.Labels[policy]}";
                    live.Draw();
                    var answer = run.Ask(question, policy, cancel.Token);
                    board.Add(question, policy, answer);
                    if (!isQuiet && !_shell.ErrorIsTerminal)
                        _shell.Note(DemoText.Answered(board, question, policy, answer));
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
        var columns = _shell.Columns();
        var (blocks, others) = DemoTable.Height(board, columns);
        // The row of the cursor stays free, and the status has one with an empty one above.
        var questions = (_shell.Rows() - others - 3) / blocks;
        return [.. DemoTable.Lines(board, columns, questions, _shell.HasColor), "", status.Length < columns ? status : status[..Math.Max(0, columns - 1)]];
    }

    private void WriteTable(DemoBoard board)
    {
        foreach (var line in DemoTable.Lines(board, _shell.OutputIsTerminal ? _shell.Columns() : int.MaxValue, hasColor: _shell.OutputIsTerminal && _shell.HasColor))
            _shell.Output.WriteLine(line);
    }
}
