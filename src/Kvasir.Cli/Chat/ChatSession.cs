using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Text;

namespace Kvasir.Cli.Chat;

/// <summary>The turns of a conversation, and the commands between them.</summary>
internal sealed class ChatSession(Shell shell, ChatPartner partner, bool isJson, bool quiet)
{
    private const string Quotes = "\"\"\"";

    private const string Commands = """"
        /help           this list
        /clear          begin a new conversation
        /system TEXT    instructions in front of the conversation; without TEXT, none
        /stats          figures of the last answer, and how full the context is
        /quit           leave, as do Ctrl-D and Ctrl-C at the prompt
        Three quotes (""") begin and end a message of several lines; two slashes begin one that starts with a slash.
        """";

    private readonly LineReader _lines = new(shell);
    private readonly List<ChatTurn> _turns = [];
    private ChatReply? _last;
    private int _turnCount;
    private int _exitCode;
    private bool _hasBadLine;

    /// <summary>Instructions in front of the conversation, or null.</summary>
    public string? Instructions { get; set; }

    /// <summary>Reads messages until there are no more, and gives the exit code.</summary>
    public int Run()
    {
        if (shell.InputIsTerminal && !quiet)
            shell.Note("/help lists the commands");
        while (_exitCode is ExitCode.Ok or ExitCode.Failed && ReadMessage() is { } message)
        {
            if (_hasBadLine)
                (_hasBadLine, message) = (false, "");
            if (string.IsNullOrWhiteSpace(message))
                continue;
            if (message.StartsWith("//", StringComparison.Ordinal))
                Reply(message[1..]);
            else if (!IsCommand(message))
                Reply(message);
            else if (!Obey(message))
                break;
        }

        if (_lines.HasQuit)
            return ExitCode.Quit;
        // At a terminal each failure was seen and answered; a script has the exit code.
        return shell.InputIsTerminal && _exitCode is ExitCode.Failed or ExitCode.Interrupted ? ExitCode.Ok : _exitCode;
    }

    // A path such as /etc/hosts is no command.
    private static bool IsCommand(string message) => message[0] == '/' && message.Split(' ')[0].LastIndexOf('/') == 0;

    private string? ReadMessage()
    {
        var line = ReadLine("> ");
        if (line?.StartsWith(Quotes, StringComparison.Ordinal) != true)
            return line;
        var message = line[Quotes.Length..];
        while (!message.EndsWith(Quotes, StringComparison.Ordinal))
        {
            if (ReadLine(". ") is not { } more)
                return null;
            message += "\n" + more;
        }

        return message[..^Quotes.Length].Trim('\n');
    }

    // A line that is no text costs the message that it belongs to.
    private string? ReadLine(string prompt)
    {
        try
        {
            return _lines.Read(prompt);
        }
        catch (KvasirException refusal)
        {
            _hasBadLine = true;
            Fail(refusal, "the message is left out");
            return "";
        }
    }

    /// <summary>False to leave.</summary>
    private bool Obey(string command)
    {
        var space = command.IndexOf(' ', StringComparison.Ordinal);
        var argument = space < 0 ? "" : command[space..].Trim();
        switch (space < 0 ? command : command[..space])
        {
            case "/quit" or "/exit" or "/bye":
                return false;
            case "/help" or "/?":
                shell.Note(Commands);
                break;
            case "/clear":
                _turns.Clear();
                shell.Note("a new conversation");
                break;
            case "/system":
                Instructions = argument.Length > 0 ? argument : null;
                shell.Note(Instructions is null ? "no instructions" : "the instructions hold from the next message on");
                break;
            case "/stats":
                ShowStats();
                break;
            default:
                shell.Note($"{Printable.Line(command)} is no command; /help lists them, and // begins a message that starts with a slash");
                break;
        }

        return true;
    }

    private void ShowStats()
    {
        if (_last is null)
        {
            shell.Note("no answer yet");
            return;
        }

        foreach (var line in _last.Lines())
            shell.Note(line);
        var used = SizeText.Count(_turns.Count == 0 ? 0 : _last.Tokens);
        shell.Note($"conversation: {_turns.Count} messages, {used}{(partner.ContextTokens is { } context ? $" of {SizeText.Count(context)}" : "")} tokens");
    }

    private void Reply(string message)
    {
        _turnCount++;
        _turns.Add(new ChatTurn("user", message));
        try
        {
            _last = partner.Reply(Instructions is null ? _turns : [new ChatTurn("system", Instructions), .. _turns], isJson ? static _ => { } : Write);
        }
        catch (KvasirException refusal)
        {
            // Whatever is wrong with it, the next message has a conversation to go on with.
            _turns.RemoveAt(_turns.Count - 1);
            Fail(refusal, "the conversation is kept as it was before this message");
            return;
        }

        _turns.Add(new ChatTurn("assistant", _last.Text));
        if (isJson)
            shell.Output.WriteLine(_last.Json(_turnCount));
        else if (!_last.Text.EndsWith('\n'))
            shell.Output.WriteLine();
        SayHowItEnded(_last);
        if (!quiet && _last.Audit is { } audit)
            shell.Note(audit);
    }

    private void SayHowItEnded(ChatReply reply)
    {
        if (reply.Failure is { } failure)
            Fail(failure, "the answer is kept as far as it came");
        else if (reply.Full is { } full)
            shell.Error.WriteLine($"kvasir: {full}");
        else if (reply.IsCancelled)
            shell.Note("interrupted; the answer is kept as far as it came");

        // Ctrl-C at a terminal asks for the prompt; everything else for the end, even if the answer ended before it was heard.
        if (shell.Interrupts.Code is not (ExitCode.Ok or ExitCode.Interrupted) || (reply.IsCancelled && !shell.InputIsTerminal))
            _exitCode = shell.Interrupts.Code;
    }

    private void Fail(KvasirException failure, string outcome)
    {
        _exitCode = ExitCode.Failed;
        var message = Printable.Line(failure.Message);
        if (isJson)
            shell.Output.WriteLine(ReportJson.Text(new ErrorReport(new FaultReport(ReportJson.Name(failure.Error), message), ExitCode.Failed)));
        var hint = failure.Error is KvasirError.ContextExceeded or KvasirError.KvMemoryExceeded ? ", /clear begins a new one" : "";
        shell.Error.WriteLine($"kvasir: {message}; {outcome}{hint}");
    }

    private void Write(string text)
    {
        shell.Output.Write(shell.OutputIsTerminal ? Printable.Text(text) : text);
        shell.Output.Flush();
    }
}
