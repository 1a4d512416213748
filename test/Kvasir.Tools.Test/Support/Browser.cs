using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Kvasir.Tools.Test.Support;

/// <summary>Headless Chromium, which opens a page and says what a script finds in it.</summary>
internal sealed class Browser
{
    private const int TimeoutMs = 120_000;
    private readonly string _path;

    /// <summary>Skips the test that asks where no browser is to be had; fails it where one was promised.</summary>
    public Browser()
    {
        var named = Environment.GetEnvironmentVariable("KVASIR_CHROMIUM") is { Length: > 0 } path ? path : null;
        _path = named ?? "/usr/bin/chromium";
        if (File.Exists(_path))
            return;
        Assert.True(named is null, $"KVASIR_CHROMIUM names {named}, which is not there");
        var reason = $"there is no browser at {_path}: install chromium, or name one in KVASIR_CHROMIUM";
        Assert.False(Environment.GetEnvironmentVariable("CI") == "true", reason);
        Assert.Skip(reason);
    }

    /// <summary>Opens a page in a window of that size and runs a script when it has loaded.</summary>
    /// <param name="page">The text of the page.</param>
    /// <param name="script">The body of a function that returns an object.</param>
    /// <param name="folder">Where files may be written; a picture of the window is left there as page.png.</param>
    public JsonObject Run(string page, string script, (int Width, int Height) window, TempFolder folder)
    {
        var report = $"<script>window.addEventListener('load', function () {{ var found; try {{ found = (function () {{ {script} }}()); }} catch (error) {{ found = {{ error: String(error) }}; }} "
            + "var pre = document.createElement('pre'); pre.id = 'found'; pre.textContent = encodeURIComponent(JSON.stringify(found)); document.body.appendChild(pre); });</script></body>";
        var path = folder.Write("page.html", page.Replace("</body>", report, StringComparison.Ordinal));
        string[] args =
        [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--no-first-run", "--hide-scrollbars", $"--user-data-dir={folder.File("profile")}",
            $"--window-size={window.Width},{window.Height}", $"--screenshot={folder.File("page.png")}", "--dump-dom", $"file://{path}",
        ];
        var dom = Output(args);
        var start = dom.IndexOf("<pre id=\"found\">", StringComparison.Ordinal);
        Assert.True(start >= 0, $"the page did not load: {dom.Length} characters");
        return JsonNode.Parse(Uri.UnescapeDataString(dom[(start + 16)..dom.IndexOf("</pre>", start, StringComparison.Ordinal)]))!.AsObject();
    }

    private string Output(string[] args)
    {
        using var process = Process.Start(new ProcessStartInfo(_path, args) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        if (!process.WaitForExit(TimeoutMs))
            process.Kill(entireProcessTree: true);
        Assert.True(process.HasExited && process.ExitCode == 0, $"{_path} failed: {error.Result}");
        return output.Result;
    }
}
