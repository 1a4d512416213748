using Kvasir.Cli.Shared;

namespace Kvasir.Cli.Terminal;

/// <summary>Reads lines: edited key by key on a terminal, plain otherwise.</summary>
internal sealed class LineReader
{
    private const string PasteMarksOn = "\e[?2004h";
    private const string PasteMarksOff = "\e[?2004l";
    private readonly Shell _shell;
    private readonly LineHistory _history = new();
    private readonly LineEditor _editor;

    public LineReader(Shell shell)
    {
        _shell = shell;
        _editor = new LineEditor(_history);
    }

    /// <summary>Whether the last line was none since the process is to end.</summary>
    public bool HasQuit { get; private set; }

    /// <summary>The next line without its end; null when there are no more, or at Ctrl-C and Ctrl-\.</summary>
    public string? Read(string prompt)
    {
        if (_shell.ReadKey is not { } readKey)
            return ReadPlain(prompt);
        _editor.Clear();
        _shell.Error.Write(PasteMarksOn);
        string? line;
        using (_shell.Interrupts.Leaving(() => _shell.Error.Write($"{PasteMarksOff}\n")))
            line = Edit(prompt, readKey);
        _shell.Error.Write(PasteMarksOff);
        if (line is not null)
            _history.Add(line);
        return line;
    }

    private string? ReadPlain(string prompt)
    {
        if (_shell.InputIsTerminal)
            _shell.Error.Write(prompt);
        return _shell.Input.ReadLine();
    }

    private string? Edit(string prompt, Func<ConsoleKeyInfo> readKey)
    {
        while (true)
        {
            if (!_shell.HasKey())
                _shell.Error.Write(LineView.Draw(prompt, _editor.Text, _editor.Cursor, _shell.Columns()));
            var action = _editor.Press(readKey());
            switch (action)
            {
                case LineAction.Submit:
                    // The whole line stays on the screen, even where only a part of it was shown.
                    _shell.Error.Write($"\r\e[K{prompt}{Printable.Text(_editor.Text)}\n");
                    return _editor.Text;
                case LineAction.Interrupt or LineAction.End or LineAction.Quit:
                    HasQuit = action == LineAction.Quit;
                    _shell.Error.Write("\n");
                    return null;
                case LineAction.ClearScreen:
                    _shell.Error.Write("\e[H\e[2J");
                    break;
            }
        }
    }
}

/// <summary>What a key asks of whoever reads the line.</summary>
internal enum LineAction
{
    /// <summary>Show the line again.</summary>
    Redraw,

    /// <summary>The line is complete.</summary>
    Submit,

    /// <summary>Ctrl-C.</summary>
    Interrupt,

    /// <summary>Ctrl-\, at which programs of a terminal end whatever they do.</summary>
    Quit,

    /// <summary>Ctrl-D on an empty line.</summary>
    End,

    /// <summary>Ctrl-L.</summary>
    ClearScreen,
}
