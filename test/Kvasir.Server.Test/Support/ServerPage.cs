using PuppeteerSharp;
using PuppeteerSharp.Media;

namespace Kvasir.Server.Test.Support;

/// <summary>Headless Chromium, which opens a page of a running server and notes what goes wrong in it, and whom it asks.</summary>
internal sealed class ServerPage : IAsyncDisposable
{
    /// <summary>A folder for pictures of pages; none are made where it is not set.</summary>
    private const string PicturesVariable = "KVASIR_PICTURES";

    private readonly IBrowser _browser;
    private readonly List<string> _faults = [];
    private readonly List<string> _asked = [];

    private ServerPage(IBrowser browser) => _browser = browser;

    /// <summary>Skips the test where no browser is to be had; fails it where one was promised.</summary>
    public static async Task<ServerPage> StartAsync()
    {
        var named = Environment.GetEnvironmentVariable("KVASIR_CHROMIUM") is { Length: > 0 } given ? given : null;
        var path = named ?? "/usr/bin/chromium";
        if (!File.Exists(path))
        {
            var reason = $"there is no browser at {path}: install chromium, or name one in KVASIR_CHROMIUM";
            Assert.False(named is not null || Environment.GetEnvironmentVariable("CI") == "true", reason);
            Assert.Skip(reason);
        }

        return new ServerPage(await Puppeteer.LaunchAsync(new LaunchOptions
        {
            ExecutablePath = path,
            Headless = true,
            Args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--no-first-run",
                // Names of other machines are this one.
                "--host-resolver-rules=\"MAP *.example 127.0.0.1\""],
            Timeout = 120_000,
        }));
    }

    /// <summary>A page in which nothing is noted.</summary>
    public Task<IPage> NewPageAsync() => _browser.NewPageAsync();

    /// <param name="scheme">light or dark.</param>
    public async Task<IPage> OpenAsync(Uri address, string scheme, int width)
    {
        var page = await _browser.NewPageAsync();
        page.DefaultTimeout = 60_000;
        page.Console += (_, message) =>
        {
            if (message.Message.Type is ConsoleType.Error or ConsoleType.Warning)
                Note(_faults, message.Message.Text);
        };
        page.PageError += (_, error) => Note(_faults, error.Message);
        page.Request += (_, request) => Note(_asked, request.Request.Url);
        await page.SetViewportAsync(new ViewPortOptions { Width = width, Height = 900 });
        await page.EmulateMediaFeaturesAsync([new MediaFeatureValue { MediaFeature = MediaFeature.PrefersColorScheme, Value = scheme }]);
        // A localhost name, as people type it; the page's stream never ends, so nobody waits for rest.
        await page.GoToAsync($"http://localhost:{address.Port}/", WaitUntilNavigation.DOMContentLoaded);
        return page;
    }

    /// <summary>For people: a picture of the whole page.</summary>
    public Task PictureAsync(IPage page, string name) => Environment.GetEnvironmentVariable(PicturesVariable) is { Length: > 0 } folder
        ? page.ScreenshotAsync(Path.Combine(folder, $"{name}.png"), new ScreenshotOptions { FullPage = true })
        : Task.CompletedTask;

    /// <summary>Nothing was wrong, and nobody but the server was asked.</summary>
    public void AssertSound(Uri address)
    {
        lock (_faults)
            Assert.Empty(_faults);
        lock (_asked)
        {
            Assert.NotEmpty(_asked);
            Assert.All(_asked, url => Assert.True(url.StartsWith($"http://localhost:{address.Port}/", StringComparison.Ordinal) || url.StartsWith("data:", StringComparison.Ordinal), url));
        }
    }

    public async ValueTask DisposeAsync() => await _browser.DisposeAsync();

    private static void Note(List<string> list, string text)
    {
        lock (list)
            list.Add(text);
    }
}
